#include "weights/h5_handle.h"

#include <string_view>

namespace thaw::h5 {

std::recursive_mutex& library_mutex() {
  static std::recursive_mutex mutex;  // the library's state is one for the process, and so is this
  return mutex;
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
