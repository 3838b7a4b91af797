#pragma once

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <utility>

namespace thaw::testing {

namespace fs = std::filesystem;

/// A small disk in memory, of 64 MiB unless said otherwise, seen by this process and its children alone.
class SmallDisk {
 public:
  explicit SmallDisk(std::string path, int mib = 64) : path_(std::move(path)) {
    fs::create_directories(path_);
    mounted_ = ::unshare(CLONE_NEWNS) == 0 && ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
               ::mount("none", path_.c_str(), "tmpfs", 0, ("size=" + std::to_string(mib) + "m").c_str()) == 0;
  }
  ~SmallDisk() {
    if (mounted_) ::umount2(path_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  [[nodiscard]] bool mounted() const { return mounted_; }
  void fill() const {
    const int fd = ::open(filler().c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    for (const std::size_t size : {std::size_t{1} << 20, std::size_t{4096}}) {
      const std::string piece(size, 'x');
      while (::write(fd, piece.data(), piece.size()) > 0) continue;
    }
    ::close(fd);
  }
  void make_room() const { fs::remove(filler()); }

 private:
  [[nodiscard]] std::string filler() const { return path_ + "/filler"; }

  std::string path_;
  bool mounted_ = false;
};

}  // namespace thaw::testing
