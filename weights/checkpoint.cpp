#include "weights/checkpoint.h"

#include <bit>
#include <cstdint>
#include <cstring>
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

void put_piece(std::string& out, const void* bytes, std::size_t size) {
  const std::uint64_t length = size;
  out.append(reinterpret_cast<const char*>(&length), sizeof(length));
  if (size > 0) out.append(static_cast<const char*>(bytes), size);
}

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

fs::path previous_of(fs::path path) { return path += ".previous"; }

}  // namespace

void write_checkpoint(const fs::path& path, const Checkpoint& checkpoint) {
  std::string bytes(kMagic);
  put_piece(bytes, checkpoint.text.data(), checkpoint.text.size());
  for (const auto& [name, values] : checkpoint.arrays) {
    put_piece(bytes, name.data(), name.size());
    put_piece(bytes, values.data(), values.size() * sizeof(float));
  }
  const std::uint64_t checksum = XXH3_64bits(bytes.data(), bytes.size());
  bytes.append(reinterpret_cast<const char*>(&checksum), sizeof(checksum));

  // The old file gets a second name before the new one takes the first: at every moment one of the two is whole.
  const fs::path fresh = fs::path(path) += ".new";
  write_file_atomically(fresh, bytes);
  std::error_code error;
  if (fs::exists(path)) fs::rename(path, previous_of(path), error);
  if (!error) fs::rename(fresh, path, error);
  if (error) fail(ErrorKind::failed, "cannot write '{}': {}", path.string(), error.message());
}

Checkpoint read_checkpoint(const fs::path& path, std::string* note) {
  try {
    return read_one(path);
  } catch (const Error& first) {
    try {
      Checkpoint checkpoint = read_one(previous_of(path));
      if (note != nullptr) *note = fmt::format("{}; going on from the one before", first.what());
      return checkpoint;
    } catch (const Error& second) {
      fail(ErrorKind::data, "{}; nor is there a sound one before it ({})", first.what(), second.what());
    }
  }
}

}  // namespace thaw
