#include "weights/checkpoint.h"

#include <unistd.h>

#include <bit>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <string_view>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "kernels/error.h"
#include "kernels/files.h"

namespace thaw {
namespace fs = std::filesystem;

namespace {

// Layout, little-endian: magic, then sized pieces (u64 length + bytes): the text, and per array its name and its
// floats; at the end the XXH3 (64 bit) of all before it.
constexpr std::string_view kMagic = "thaw-checkpoint-1";
static_assert(std::endian::native == std::endian::little,
              "checkpoints are written little-endian as they lie in memory");

std::uintmax_t file_size_of(const Checkpoint& checkpoint) {
  constexpr std::uintmax_t length = sizeof(std::uint64_t);
  std::uintmax_t size = kMagic.size() + length + checkpoint.text.size() + length;  // the last is the checksum's
  for (const auto& [name, values] : checkpoint.arrays) {
    size += length + name.size() + length + values.size() * sizeof(float);
  }
  return size;
}

/// Writes bytes and pieces to a file and keeps their running checksum, so that no second copy of it all is in memory.
class SummedWriter {
 public:
  SummedWriter(const fs::path& path, std::uintmax_t size) : file_(path, size), sum_(XXH3_createState()) {
    if (sum_ == nullptr) throw std::bad_alloc();
    XXH3_64bits_reset(sum_.get());
  }
  void put(const void* bytes, std::size_t size) {
    if (size == 0) return;  // an empty array has no address
    XXH3_64bits_update(sum_.get(), bytes, size);
    file_.write(bytes, size);
  }
  void put_piece(const void* bytes, std::size_t size) {
    const std::uint64_t length = size;
    put(&length, sizeof(length));
    put(bytes, size);
  }
  void finish() {
    const std::uint64_t checksum = XXH3_64bits_digest(sum_.get());
    file_.write(&checksum, sizeof(checksum));
    file_.commit();
  }

 private:
  struct Free {
    void operator()(XXH3_state_t* state) const noexcept { XXH3_freeState(state); }
  };
  AtomicWriter file_;
  std::unique_ptr<XXH3_state_t, Free> sum_;
};

/// Reads pieces from untrusted bytes.
class Pieces {
 public:
  Pieces(const fs::path& path, std::string_view rest) : path_(path), rest_(rest) {}

  std::string_view next() {
    std::uint64_t length = 0;
    if (rest_.size() < sizeof(length)) reject();
    std::memcpy(&length, rest_.data(), sizeof(length));
    rest_.remove_prefix(sizeof(length));
    if (length > rest_.size()) reject();
    const std::string_view piece = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return piece;
  }
  [[nodiscard]] bool done() const { return rest_.empty(); }
  [[noreturn]] void reject() const {
    fail(ErrorKind::data, "'{}' is a damaged checkpoint: it ends early", path_.string());
  }

 private:
  const fs::path& path_;
  std::string_view rest_;
};

Checkpoint read_one(const fs::path& path) {
  const std::string bytes = read_file(path);
  const std::string_view all = bytes;
  if (!all.starts_with(kMagic)) {
    fail(ErrorKind::data, "'{}' is no thaw checkpoint: it does not start with {}", path.string(), kMagic);
  }
  std::uint64_t checksum = 0;
  if (all.size() < kMagic.size() + sizeof(checksum)) Pieces(path, "").reject();
  const std::string_view body = all.substr(0, all.size() - sizeof(checksum));
  std::memcpy(&checksum, all.data() + body.size(), sizeof(checksum));
  if (checksum != XXH3_64bits(body.data(), body.size())) {
    fail(ErrorKind::data, "'{}' is a damaged checkpoint: its checksum does not match", path.string());
  }
  Pieces pieces(path, body.substr(kMagic.size()));
  Checkpoint checkpoint;
  checkpoint.text = pieces.next();
  while (!pieces.done()) {
    const std::string name(pieces.next());
    const std::string_view values = pieces.next();
    if (values.size() % sizeof(float) != 0) pieces.reject();
    std::vector<float>& array = checkpoint.arrays[name];
    array.resize(values.size() / sizeof(float));
    if (!values.empty()) std::memcpy(array.data(), values.data(), values.size());
  }
  return checkpoint;
}

fs::path with_ending(fs::path path, const char* ending) { return path += ending; }
fs::path previous_of(const fs::path& path) { return with_ending(path, ".previous"); }

/// Gives the file at `path` a second name, replacing what had it; on file systems without hard links it loses its
/// first.
void keep_as_previous(const fs::path& path, std::error_code& error) {
  // Killed right after it, a run finds one file under both names; renaming would then do nothing and leave the link.
  std::error_code missing;
  if (fs::equivalent(path, previous_of(path), missing)) return;
  const fs::path link = with_ending(path, fmt::format(".previous.{}.tmp", ::getpid()).c_str());
  std::error_code no_links;
  fs::create_hard_link(path, link, no_links);
  fs::rename(no_links ? path : link, previous_of(path), error);
}

}  // namespace

void write_checkpoint(const fs::path& path, const Checkpoint& checkpoint) {
  // The new file is durable under a third name before the old one is touched, and `path` names a whole file at every
  // moment: killed anywhere, a run finds the new checkpoint or the one before it there.
  const fs::path fresh = with_ending(path, ".new");
  SummedWriter file(fresh, file_size_of(checkpoint));
  file.put(kMagic.data(), kMagic.size());
  file.put_piece(checkpoint.text.data(), checkpoint.text.size());
  for (const auto& [name, values] : checkpoint.arrays) {
    file.put_piece(name.data(), name.size());
    file.put_piece(values.data(), values.size() * sizeof(float));
  }
  file.finish();
  std::error_code error;
  if (fs::exists(path)) keep_as_previous(path, error);
  if (!error) fs::rename(fresh, path, error);
  if (error) {
    fail(ErrorKind::failed, "cannot write '{}': {}; free some space or choose another folder", path.string(),
         reason_of_failed_write(path, error.value(), file_size_of(checkpoint)));
  }
  sync_folder(path.parent_path());
}

Checkpoint read_checkpoint(const fs::path& path, std::string* note) {
  std::string first;
  try {
    return read_one(path);
  } catch (const Error& error) {
    first = error.what();
  }
  // A writer that was killed may have left the newer one whole under its third name.
  if (const fs::path fresh = with_ending(path, ".new"); fs::exists(fresh)) {
    try {
      Checkpoint checkpoint = read_one(fresh);
      if (note != nullptr) *note = fmt::format("{}; going on from the one that was about to replace it", first);
      return checkpoint;
    } catch (const Error&) {  // the one before is next
    }
  }
  try {
    Checkpoint checkpoint = read_one(previous_of(path));
    if (note != nullptr) *note = fmt::format("{}; going on from the one before", first);
    return checkpoint;
  } catch (const Error& second) {
    fail(ErrorKind::data, "{}; nor is there a sound one before it ({})", first, second.what());
  }
}

}  // namespace thaw
