#pragma once

#include <hdf5.h>

#include <string>
#include <utility>

namespace thaw::h5 {

/// Owns one HDF5 identifier and closes it with `close`.
template <herr_t (*close)(hid_t)>
class Handle {
 public:
  Handle() = default;
  explicit Handle(hid_t id) : id_(id) {}
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, H5I_INVALID_HID)) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(id_, other.id_);
    return *this;
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() {
    if (id_ >= 0) close(id_);
  }

  [[nodiscard]] hid_t get() const { return id_; }
  explicit operator bool() const { return id_ >= 0; }
  /// Gives the identifier up to a caller who wants to see the result of closing it.
  hid_t release() { return std::exchange(id_, H5I_INVALID_HID); }

 private:
  hid_t id_ = H5I_INVALID_HID;
};

using File = Handle<H5Fclose>;
using Object = Handle<H5Oclose>;  ///< a group or a dataset
using Attribute = Handle<H5Aclose>;
using Space = Handle<H5Sclose>;
using Type = Handle<H5Tclose>;
using Properties = Handle<H5Pclose>;

/// HDF5 is built for one thread at a time, so whoever uses it holds this, and so does whoever starts a process that
/// will: its copy of the library must not be one that another thread had half changed. A thread, and what it forks, may
/// hold it more than once.
class LibraryLock {
 public:
  LibraryLock();
  ~LibraryLock();
  LibraryLock(const LibraryLock&) = delete;
  LibraryLock& operator=(const LibraryLock&) = delete;
};

/// While alive, no other thread is in HDF5, and it prints no error stack of its own.
class QuietErrors {
 public:
  QuietErrors() {
    // HDF5's clean-up at exit can loop over what a damaged file left half open; here every file has an owner.
    [[maybe_unused]] static const herr_t without_exit_handler = H5dont_atexit();
    H5Eget_auto2(H5E_DEFAULT, &printer_, &data_);
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  }
  ~QuietErrors() { H5Eset_auto2(H5E_DEFAULT, printer_, data_); }
  QuietErrors(const QuietErrors&) = delete;
  QuietErrors& operator=(const QuietErrors&) = delete;

 private:
  LibraryLock lock_;
  H5E_auto2_t printer_ = nullptr;
  void* data_ = nullptr;
};

/// The innermost reason on HDF5's error stack, e.g. "truncated file: eof = 100, ..."; "no reason given" if it is empty.
std::string last_reason();

/// True for a path of '/'-separated components of which none is empty, "." or "..".
bool is_plain_path(const std::string& path);

}  // namespace thaw::h5
