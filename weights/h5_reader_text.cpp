// The string side of h5::Reader: attributes in both string forms, split lists, text datasets.
#include <algorithm>

#include "kernels/error.h"
#include "weights/h5_reader.h"

namespace thaw::h5 {
namespace {

/// Gives HDF5 back the strings that it allocated while reading variable-length data.
class VariableStrings {
 public:
  VariableStrings(hid_t type, hid_t space, std::size_t count) : type_(type), space_(space), strings_(count, nullptr) {}
  ~VariableStrings() { H5Dvlen_reclaim(type_, space_, H5P_DEFAULT, strings_.data()); }
  VariableStrings(const VariableStrings&) = delete;
  VariableStrings& operator=(const VariableStrings&) = delete;
  std::vector<char*>& strings() { return strings_; }

 private:
  hid_t type_;
  hid_t space_;
  std::vector<char*> strings_;
};

/// One fixed-length string: null-terminated or null-padded ends at the first zero, space-padded loses its blanks.
std::string fixed_string(const char* begin, std::size_t size, H5T_str_t padding) {
  std::string text(begin, std::find(begin, begin + size, '\0'));
  if (padding == H5T_STR_SPACEPAD) text.erase(text.find_last_not_of(' ') + 1);
  return text;
}

}  // namespace

std::vector<std::string> Reader::read_strings(hid_t attribute, const std::string& name) const {
  const Space space(H5Aget_space(attribute));
  const Type type(H5Aget_type(attribute));
  const hssize_t points = space ? H5Sget_simple_extent_npoints(space.get()) : -1;
  if (points == 0) return {};  // an empty list has no telling type: numpy makes it float64
  if (points < 0 || static_cast<std::uint64_t>(points) > limits_.names) {
    fail(ErrorKind::data, "{}: attribute '{}' is damaged or has more than {} entries", label_, name, limits_.names);
  }
  if (!type || H5Tget_class(type.get()) != H5T_STRING) {
    fail(ErrorKind::data, "{}: attribute '{}' holds no strings; expected names", label_, name);
  }
  const auto count = static_cast<std::size_t>(points);
  std::vector<std::string> result;
  bool read = false;
  if (H5Tis_variable_str(type.get()) > 0) {
    VariableStrings buffer(type.get(), space.get(), count);
    read = H5Aread(attribute, type.get(), buffer.strings().data()) >= 0;
    std::uint64_t bytes = 0;
    for (const char* text : buffer.strings()) {
      if (read) result.emplace_back(text == nullptr ? "" : text);
      bytes += result.empty() ? 0 : result.back().size();
      read = read && bytes <= limits_.attribute_bytes;  // many entries may share one long string in the heap
    }
  } else if (const std::size_t size = H5Tget_size(type.get()); size <= limits_.attribute_bytes / count) {
    std::vector<char> buffer(size * count);
    read = H5Aread(attribute, type.get(), buffer.data()) >= 0;
    const H5T_str_t padding = H5Tget_strpad(type.get());
    for (std::size_t i = 0; i < count; ++i) result.push_back(fixed_string(buffer.data() + i * size, size, padding));
  }
  if (!read) {
    fail(ErrorKind::data, "{}: attribute '{}' cannot be read or has more than {} bytes", label_, name,
         limits_.attribute_bytes);
  }
  return result;
}

std::optional<std::vector<std::string>> Reader::text_list(const std::string& group,
                                                          const std::string& attribute) const {
  const Object object = open(group, H5I_GROUP);
  const auto read = [&](const std::string& name) {
    const Attribute opened(H5Aopen(object.get(), name.c_str(), H5P_DEFAULT));
    return read_strings(opened.get(), name);
  };
  if (H5Aexists(object.get(), attribute.c_str()) > 0) return read(attribute);

  std::optional<std::vector<std::string>> result;
  for (int part = 0;; ++part) {
    const std::string name = attribute + std::to_string(part);
    if (H5Aexists(object.get(), name.c_str()) <= 0) return result;
    if (!result) result.emplace();
    const std::vector<std::string> entries = read(name);
    result->insert(result->end(), entries.begin(), entries.end());
    if (result->size() > limits_.names) {
      fail(ErrorKind::data, "{}: attribute '{}' has more than {} entries", label_, attribute, limits_.names);
    }
  }
}

std::optional<std::string> Reader::text(const std::string& group, const std::string& attribute) const {
  const Object object = open(group, H5I_GROUP);
  if (H5Aexists(object.get(), attribute.c_str()) <= 0) return std::nullopt;
  const Attribute opened(H5Aopen(object.get(), attribute.c_str(), H5P_DEFAULT));
  const std::vector<std::string> values = read_strings(opened.get(), attribute);
  if (values.size() != 1) return std::nullopt;
  return values.front();
}

std::map<std::string, std::string> Reader::texts(const std::string& group) const {
  const Object object = open(group, H5I_GROUP);
  std::map<std::string, std::string> result;
  const int count = H5Aget_num_attrs(object.get());
  for (int i = 0; i < count && static_cast<std::uint64_t>(i) < limits_.names; ++i) {
    const Attribute attribute(H5Aopen_by_idx(object.get(), ".", H5_INDEX_NAME, H5_ITER_INC, static_cast<hsize_t>(i),
                                             H5P_DEFAULT, H5P_DEFAULT));
    const Type type(attribute ? H5Aget_type(attribute.get()) : H5I_INVALID_HID);
    const Space space(attribute ? H5Aget_space(attribute.get()) : H5I_INVALID_HID);
    const ssize_t length = attribute ? H5Aget_name(attribute.get(), 0, nullptr) : -1;
    if (!type || !space || length < 0 || H5Tget_class(type.get()) != H5T_STRING ||
        H5Sget_simple_extent_type(space.get()) != H5S_SCALAR) {
      continue;
    }
    std::string name(static_cast<std::size_t>(length), '\0');
    H5Aget_name(attribute.get(), name.size() + 1, name.data());
    const std::vector<std::string> values = read_strings(attribute.get(), name);
    if (!values.empty()) result[name] = values.front();
  }
  return result;
}

std::string Reader::text_dataset(const std::string& path) {
  const Object dataset = open(path, H5I_DATASET);
  const Type type(H5Dget_type(dataset.get()));
  const Space space(H5Dget_space(dataset.get()));
  if (!type || H5Tget_class(type.get()) != H5T_STRING || H5Tis_variable_str(type.get()) != 0 || !space ||
      H5Sget_simple_extent_npoints(space.get()) != 1) {
    fail(ErrorKind::data, "{}: '{}' is no single fixed-length string", label_, printable(path));
  }
  const std::size_t size = H5Tget_size(type.get());
  count_bytes(path, size);
  check_storage(dataset.get(), path, size);
  std::string value(size, '\0');
  if (H5Dread(dataset.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, value.data()) < 0) {
    fail(ErrorKind::data, "{}: '{}' cannot be read; the file is damaged", label_, printable(path));
  }
  return fixed_string(value.data(), size, H5Tget_strpad(type.get()));
}

}  // namespace thaw::h5
