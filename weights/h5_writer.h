#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weights/h5_handle.h"

namespace thaw::h5 {

/// Writes one HDF5 file that appears whole at `commit` or not at all; until then it is composed in memory. The same
/// calls give the same bytes: no object carries a time. All failures are `Error` (failed) naming the file. Paths have
/// no leading slash; "" is the root.
class Writer {
 public:
  explicit Writer(const std::filesystem::path& path);

  /// Makes a group and its parents; one that exists is left alone.
  void group(const std::string& path);
  /// A scalar fixed-length string attribute of an existing group.
  void text(const std::string& group, const std::string& attribute, std::string_view value);
  /// A string array attribute in Keras' manner: fixed length, null-padded, split over `name0, name1, ...` in nearly
  /// equal parts when beyond 64512 bytes; an empty list is written as float64 of shape (0).
  void text_list(const std::string& group, const std::string& attribute, std::span<const std::string> values);
  /// A contiguous little-endian float32 dataset, row-major; parents are made as needed.
  void tensor(const std::string& path, std::span<const std::int64_t> shape, std::span<const float> values);
  /// A scalar fixed-length string dataset, for texts beyond an attribute's 64 KB.
  void text_dataset(const std::string& path, const std::string& value);
  /// A one-dimensional dataset of variable-length UTF-8 strings.
  void text_array(const std::string& path, std::span<const std::string> values);
  /// Writes the file, makes it durable and gives it its name. Nothing can be added afterwards.
  void commit();

 private:
  void text_part(hid_t group, const std::string& attribute, std::span<const std::string> values, std::size_t width);
  void dataset(const std::string& path, hid_t type, hid_t memory_type, hid_t space, const void* values);
  [[noreturn]] void fail_write(const std::string& object) const;

  QuietErrors quiet_;
  std::filesystem::path path_;
  std::string label_;
  File file_;
};

}  // namespace thaw::h5
