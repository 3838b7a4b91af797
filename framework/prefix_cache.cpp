#include "framework/prefix_cache.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "kernels/error.h"
#include "kernels/files.h"

namespace thaw {
namespace fs = std::filesystem;

namespace {

/// What a cache file starts with; one filled byte an image and the rows follow.
struct FileHeader {
  char magic[16] = "thaw-prefix-v1";
  char key[64] = {};
  std::int64_t images = 0;
  std::int64_t row_bytes = 0;
  std::uint64_t checksum = 0;  // of everything behind the header
  std::uint64_t sealed = 0;
};

/// Rows start on a page boundary.
constexpr std::size_t kAlign = 4096;

/// An open file descriptor.
class File {
 public:
  File(const fs::path& path, int flags) : fd_(::open(path.c_str(), flags | O_CLOEXEC, 0644)) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] bool open() const { return fd_ >= 0; }
  /// From here on the caller's to close.
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

std::byte* map_file(int fd, std::size_t bytes, bool writable) {
  void* base = ::mmap(nullptr, bytes, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
  return base == MAP_FAILED ? nullptr : static_cast<std::byte*>(base);
}

/// Gives the memory of a piece of a mapped file back; the file keeps what was written. A cache of gigabytes would else
/// count as this process' memory once it was walked through.
void forget(const std::byte* begin, std::size_t bytes) {
  const std::size_t into_page = reinterpret_cast<std::uintptr_t>(begin) % kAlign;
  ::madvise(const_cast<std::byte*>(begin - into_page), into_page + bytes, MADV_DONTNEED);
}

std::uint64_t checksum_of_mapped(const std::byte* begin, std::size_t bytes) {
  constexpr std::size_t piece = std::size_t{16} << 20;
  XXH3_state_t* state = XXH3_createState();
  XXH3_64bits_reset(state);
  for (std::size_t at = 0; at < bytes; at += piece) {
    const std::size_t size = std::min(piece, bytes - at);
    XXH3_64bits_update(state, begin + at, size);
    forget(begin + at, size);
  }
  const std::uint64_t checksum = XXH3_64bits_digest(state);
  XXH3_freeState(state);
  return checksum;
}

[[noreturn]] void fail_cache(const fs::path& path, int error) {
  fail(ErrorKind::failed,
       "cannot keep the frozen prefix in '{}': {}; free some space, raise --cache-limit to hold it in memory, or run "
       "with "
       "--no-cache",
       path.string(), std::strerror(error));
}

}  // namespace

PrefixCache::PrefixCache(const PrefixCacheOptions& options, const std::string& key, std::int64_t images,
                         const Shape& row_shape, Dtype dtype)
    : key_(key),
      row_shape_(row_shape),
      dtype_(dtype),
      row_bytes_(static_cast<std::size_t>(row_shape.numel()) * size_of(dtype)),
      filled_(static_cast<std::size_t>(images), 0) {
  if (bytes() <= options.memory_limit) {
    memory_.resize(bytes());
    rows_ = memory_.data();
    return;
  }
  std::error_code error;
  fs::create_directories(options.folder, error);
  if (error) fail_cache(options.folder, error.value());
  file_ = options.folder / (key_ + ".prefix");
  if (!open_sealed()) create_file();
}

PrefixCache::~PrefixCache() {
  if (base_ != nullptr) ::munmap(base_, header_bytes() + bytes());
  if (!temporary_.empty()) {
    std::error_code ignored;
    fs::remove(temporary_, ignored);
  }
  unlock();
}

void PrefixCache::unlock() {
  if (lock_ >= 0) ::close(std::exchange(lock_, -1));
}

std::size_t PrefixCache::header_bytes() const {
  return (sizeof(FileHeader) + filled_.size() + kAlign - 1) / kAlign * kAlign;
}

bool PrefixCache::open_sealed() {
  const File file(file_, O_RDONLY);
  if (!file.open()) return false;
  const std::size_t total = header_bytes() + bytes();
  struct stat status = {};
  if (::fstat(file.fd(), &status) != 0 || static_cast<std::size_t>(status.st_size) != total) return false;
  base_ = map_file(file.fd(), total, false);
  if (base_ == nullptr) return false;
  FileHeader header;
  std::memcpy(&header, base_, sizeof(header));
  const bool sound = std::strncmp(header.magic, FileHeader().magic, sizeof(header.magic)) == 0 && header.sealed == 1 &&
                     std::strncmp(header.key, key_.c_str(), sizeof(header.key)) == 0 &&
                     header.images == static_cast<std::int64_t>(filled_.size()) &&
                     header.row_bytes == static_cast<std::int64_t>(row_bytes_) &&
                     header.checksum == checksum_of_mapped(base_ + sizeof(header), total - sizeof(header));
  if (!sound) {
    ::munmap(base_, total);
    base_ = nullptr;
    return false;
  }
  std::memcpy(filled_.data(), base_ + sizeof(header), filled_.size());
  rows_ = base_ + header_bytes();
  return true;
}

void PrefixCache::create_file() {
  remove_files_of_dead_writers(file_.parent_path());
  temporary_ = file_;
  temporary_ += fmt::format(".{}.tmp", ::getpid());
  File file(temporary_, O_RDWR | O_CREAT | O_TRUNC);
  const auto give_up = [this](int error) {
    const fs::path path = std::exchange(temporary_, {});
    std::error_code ignored;
    fs::remove(path, ignored);
    fail_cache(path, error);
  };
  if (!file.open()) give_up(errno);
  ::flock(file.fd(), LOCK_EX | LOCK_NB);  // tells other machines on a shared disk that this one is being written
  const std::size_t total = header_bytes() + bytes();
  // Reserves the space now: a full disk is an error here and not a SIGBUS in the middle of an epoch.
  if (const int error = ::posix_fallocate(file.fd(), 0, static_cast<off_t>(total)); error != 0) give_up(error);
  base_ = map_file(file.fd(), total, true);
  if (base_ == nullptr) give_up(errno);
  rows_ = base_ + header_bytes();
  lock_ = file.release();
}

void PrefixCache::put(std::span<const int> images, const Tensor& activations) {
  if (activations.numel() < row_shape_.numel() * static_cast<std::int64_t>(images.size()) ||
      activations.dtype() != dtype_) {
    fail(ErrorKind::failed, "[prefix cache] rows of {} do not fit activations {}", row_shape_.text(),
         activations.shape().text());
  }
  const std::lock_guard lock(rows_mutex_);
  if (!file_.empty() && temporary_.empty()) create_file_from_sealed();
  const auto* from = activations.data_as<const std::byte>();
  const bool resident = keep_on(activations.backend());
  for (std::size_t i = 0; i < images.size(); ++i) {
    const auto image = static_cast<std::size_t>(images[i]);
    activations.backend()->download(rows_ + image * row_bytes_, from + i * row_bytes_, row_bytes_);
    if (on_disk()) forget(rows_ + image * row_bytes_, row_bytes_);
    filled_[image] = 1;
    if (resident_.defined()) is_resident_[image] = 0;
    if (!resident) continue;
    activations.backend()->copy(resident_.data_as<std::byte>() + image * row_bytes_, from + i * row_bytes_, row_bytes_);
    is_resident_[image] = 1;
  }
}

bool PrefixCache::keep_on(const std::shared_ptr<Backend>& backend) const {
  if (resident_.defined()) return resident_.backend() == backend;
  if (has_no_room_) return false;
  try {
    std::vector<std::int64_t> dims = row_shape_.to_vector();
    dims.insert(dims.begin(), static_cast<std::int64_t>(filled_.size()));
    if (!host_can_read(backend)) {
      resident_ = Tensor::empty(backend, Shape(std::span<const std::int64_t>(dims)), dtype_);
      is_resident_.assign(filled_.size(), 0);
    }
  } catch (const Error&) {  // the device is full: the host's rows serve as well, only slower
  }
  has_no_room_ = !resident_.defined();
  return !has_no_room_;
}

void PrefixCache::create_file_from_sealed() {
  std::byte* sealed = base_;
  create_file();
  std::memcpy(rows_, sealed + header_bytes(), bytes());
  ::munmap(sealed, header_bytes() + bytes());
}

Tensor PrefixCache::gather(const std::shared_ptr<Backend>& backend, std::span<const int> images) const {
  const std::lock_guard lock(rows_mutex_);
  std::vector<std::int64_t> dims = row_shape_.to_vector();
  dims.insert(dims.begin(), static_cast<std::int64_t>(images.size()));
  const Tensor out = Tensor::empty(backend, Shape(std::span<const std::int64_t>(dims)), dtype_);
  auto* to = out.data_as<std::byte>();
  const bool resident = keep_on(backend);
  for (std::size_t i = 0; i < images.size(); ++i) {
    const auto image = static_cast<std::size_t>(images[i]);
    if (filled_[image] == 0) fail(ErrorKind::failed, "[prefix cache] image {} was never put in", image);
    std::byte* kept = resident ? resident_.data_as<std::byte>() + image * row_bytes_ : nullptr;
    if (kept == nullptr || is_resident_[image] == 0) {
      backend->upload(kept != nullptr ? kept : to + i * row_bytes_, rows_ + image * row_bytes_, row_bytes_);
      if (on_disk()) forget(rows_ + image * row_bytes_, row_bytes_);
    }
    if (kept == nullptr) continue;
    is_resident_[image] = 1;
    backend->copy(to + i * row_bytes_, kept, row_bytes_);
  }
  return out;
}

void PrefixCache::seal() {
  const std::lock_guard lock(rows_mutex_);
  if (temporary_.empty()) return;
  const std::size_t total = header_bytes() + bytes();
  std::memcpy(base_ + sizeof(FileHeader), filled_.data(), filled_.size());
  FileHeader header;
  std::copy_n(key_.begin(), std::min(key_.size(), sizeof(header.key) - 1), header.key);
  header.images = static_cast<std::int64_t>(filled_.size());
  header.row_bytes = static_cast<std::int64_t>(row_bytes_);
  header.checksum = checksum_of_mapped(base_ + sizeof(header), total - sizeof(header));
  header.sealed = 1;
  std::memcpy(base_, &header, sizeof(header));
  if (::msync(base_, total, MS_SYNC) != 0) fail_cache(temporary_, errno);
  if (std::rename(temporary_.c_str(), file_.c_str()) != 0) fail_cache(file_, errno);
  temporary_.clear();
  unlock();
}

void PrefixCache::remove_file() {
  const std::lock_guard lock(rows_mutex_);
  std::error_code ignored;
  if (on_disk() && temporary_.empty()) fs::remove(file_, ignored);
}

namespace {

/// A running 128-bit digest; `XXH3` is enough against accidents, and keys are no secrets.
class Digest {
 public:
  Digest() : state_(XXH3_createState()) { XXH3_128bits_reset(state_); }
  ~Digest() { XXH3_freeState(state_); }
  Digest(const Digest&) = delete;
  Digest& operator=(const Digest&) = delete;

  void add(std::string_view text) {
    const std::uint64_t size = text.size();
    XXH3_128bits_update(state_, &size, sizeof(size));
    XXH3_128bits_update(state_, text.data(), text.size());
  }
  void add(const Tensor& tensor) {
    std::vector<char> host(tensor.bytes());
    tensor.backend()->download(host.data(), tensor.data(), host.size());
    add(std::string_view(host.data(), host.size()));
  }
  [[nodiscard]] std::string hex() const {
    const XXH128_hash_t hash = XXH3_128bits_digest(state_);
    return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
  }

 private:
  XXH3_state_t* state_;
};

}  // namespace

std::vector<std::string> prefix_keys(const Network& network, std::size_t cut, const Context& ctx, int batch,
                                     const std::string& data_digest) {
  Digest digest;
  digest.add(fmt::format("thaw prefix 2 {} size {} dtype {} backend {} batch {}", network.id, network.size,
                         name_of(ctx.dtype), ctx.backend->name(), batch));
  digest.add(ctx.backend->info().detail);  // instruction sets choose kernels, kernels choose roundings
  digest.add(data_digest);
  std::vector<std::string> keys = {digest.hex()};
  for (std::size_t i = 0; i < cut; ++i) {
    digest.add(network.stages[i].name);
    for (const Parameter* parameter : network.stages[i].parameters) {
      digest.add(parameter->name());
      digest.add(parameter->value());
    }
    keys.push_back(digest.hex());
  }
  return keys;
}

}  // namespace thaw
