#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/printable.h"
#include "weights/h5_handle.h"

namespace thaw::h5 {

/// What a weight file may ask for at most. Sizes are checked before anything is allocated.
struct Limits {
  std::uint64_t file_bytes = std::uint64_t{8} << 30;
  std::uint64_t tensor_bytes = std::uint64_t{1} << 30;
  std::uint64_t total_bytes = std::uint64_t{4}
                              << 30;  ///< all that one `Reader` reads, so that many small ones count too
  std::uint64_t attribute_bytes = std::uint64_t{16} << 20;
  std::uint64_t names = 20000;  ///< entries of a name list, children of a group
};

using thaw::printable;  ///< names inside a file are shown through it

/// Refuses what cannot be a weight file by its first bytes or its size, before HDF5 sees it: HDF5's signature must be
/// at the very start (a user block before it is legal HDF5, but no weight file has one). Throws `Error` (data).
void check_signature(const std::filesystem::path& path, const Limits& limits = {});

/// A float dataset as it lies in the file.
struct FileTensor {
  std::vector<std::int64_t> shape;
  std::vector<float> data;
};

/// An HDF5 file opened as untrusted input. Every access walks the links from the root and refuses soft, external and
/// user-defined links, external storage, virtual datasets, types other than 32-bit IEEE floats, filters other than
/// deflate and shuffle, unexpected shapes and sizes beyond `Limits`. All failures are `Error` (data) that name the
/// file and the object. Paths have no leading slash; "" is the root.
class Reader {
 public:
  /// Checks the signature before HDF5 sees the file.
  explicit Reader(const std::filesystem::path& path, Limits limits = {});

  [[nodiscard]] const std::string& label() const { return label_; }  ///< the quoted file name, to begin messages with
  [[nodiscard]] bool has(const std::string& path) const;
  /// Names of a group's links in name order.
  [[nodiscard]] std::vector<std::string> children(const std::string& group) const;
  /// A scalar string attribute, fixed or variable length; nothing if absent.
  [[nodiscard]] std::optional<std::string> text(const std::string& group, const std::string& attribute) const;
  /// A string array attribute in either string form, or split over `name0, name1, ...` as Keras does beyond 64512
  /// bytes; an empty one may have any type (Keras writes float64). Nothing if absent.
  [[nodiscard]] std::optional<std::vector<std::string>> text_list(const std::string& group,
                                                                  const std::string& attribute) const;
  /// All scalar string attributes of a group.
  [[nodiscard]] std::map<std::string, std::string> texts(const std::string& group) const;
  /// A scalar fixed-length string dataset.
  [[nodiscard]] std::string text_dataset(const std::string& path);
  /// A float dataset; with `expected`, its shape must be that one.
  [[nodiscard]] FileTensor tensor(const std::string& path,
                                  std::optional<std::span<const std::int64_t>> expected = std::nullopt);

 private:
  [[nodiscard]] Object open(const std::string& path, H5I_type_t wanted) const;
  void check_link(hid_t parent, const std::string& name, const std::string& path) const;
  void check_storage(hid_t dataset, const std::string& path, std::uint64_t bytes) const;
  void count_bytes(const std::string& path, std::uint64_t bytes);
  [[nodiscard]] std::vector<std::string> read_strings(hid_t attribute, const std::string& name) const;

  QuietErrors quiet_;
  std::string label_;
  Limits limits_;
  File file_;
  std::uint64_t bytes_read_ = 0;
};

}  // namespace thaw::h5
