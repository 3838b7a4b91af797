#include "weights/h5_handle.h"

#include <mutex>

#include <string_view>

namespace thaw::h5 {

namespace {

// The library's state is one for the process, and so is this. A forked child has the depth of the thread that forked
// it, but does not own its mutexes: a recursive one would stop it for ever.
std::mutex library_mutex;
thread_local int library_depth = 0;

}  // namespace

LibraryLock::LibraryLock() {
  if (library_depth++ == 0) library_mutex.lock();
}

LibraryLock::~LibraryLock() {
  if (--library_depth == 0) library_mutex.unlock();
}

std::string last_reason() {
  std::string reason;
  const auto keep_first = [](unsigned, const H5E_error2_t* error, void* data) -> herr_t {
    auto& text = *static_cast<std::string*>(data);
    if (text.empty() && error->desc != nullptr) text = error->desc;
    return 0;
  };
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_first, &reason);  // upward: from the innermost call
  return reason.empty() ? "no reason given" : reason;
}

bool is_plain_path(const std::string& path) {
  std::string_view rest = path;
  while (true) {
    const std::size_t slash = rest.find('/');
    const std::string_view part = rest.substr(0, slash);
    if (part.empty() || part == "." || part == ".." || part.find('\0') != std::string_view::npos) return false;
    if (slash == std::string_view::npos) return true;
    rest.remove_prefix(slash + 1);
  }
}

}  // namespace thaw::h5
