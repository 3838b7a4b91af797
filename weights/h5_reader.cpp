#include "weights/h5_reader.h"

#include <algorithm>
#include <array>
#include <fstream>

#include "kernels/error.h"
#include "weights/spec.h"

namespace thaw::h5 {
void check_signature(const std::filesystem::path& path, const Limits& limits) {
  const std::string label = fmt::format("'{}'", path.string());
  constexpr std::string_view signature = "\x89HDF\r\n\x1a\n";
  std::error_code error;
  if (std::filesystem::is_directory(path, error))
    fail(ErrorKind::data, "{} is a folder, expected a weight file", label);
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    fail(ErrorKind::data, "cannot read {}: {}; check the path", label,
         std::filesystem::exists(path, error) ? "no permission" : "there is no such file");
  }
  std::array<char, 24> head{};
  in.read(head.data(), head.size());
  const std::string_view start(head.data(), static_cast<std::size_t>(in.gcount()));
  if (start.empty()) fail(ErrorKind::data, "{} is empty, expected an HDF5 weight file; download it again", label);
  if (!start.starts_with(signature)) {
    fail(ErrorKind::data, "{} is not an HDF5 file: it starts with '{}'; expected the .h5 weights of Keras or of thaw",
         label, printable(start));
  }
  if (const auto size = std::filesystem::file_size(path, error); !error && size > limits.file_bytes) {
    fail(ErrorKind::data, "{} has {} bytes, more than the {} that a weight file may have", label, size,
         limits.file_bytes);
  }
}

Reader::Reader(const std::filesystem::path& path, Limits limits)
    : label_(fmt::format("'{}'", path.string())), limits_(limits) {
  check_signature(path, limits_);
  file_ = File(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT));
  if (!file_) {
    fail(ErrorKind::data, "{} is a truncated or damaged HDF5 file ({}); download or write it again", label_,
         printable(last_reason(), 160));
  }
}

void Reader::check_link(hid_t parent, const std::string& name, const std::string& path) const {
  H5L_info_t info{};
  if (H5Lexists(parent, name.c_str(), H5P_DEFAULT) <= 0 || H5Lget_info(parent, name.c_str(), &info, H5P_DEFAULT) < 0) {
    fail(ErrorKind::data, "{} has no object '{}'; the file is incomplete or of another layout", label_,
         printable(path));
  }
  if (info.type == H5L_TYPE_HARD) return;
  const std::string_view kind = info.type == H5L_TYPE_SOFT       ? "a soft link"
                                : info.type == H5L_TYPE_EXTERNAL ? "an external link"
                                                                 : "a user-defined link";
  fail(ErrorKind::data, "{}: '{}' is {}; thaw follows none, because a weight file could reach other data through it",
       label_, printable(path), kind);
}

Object Reader::open(const std::string& path, H5I_type_t wanted) const {
  if (!path.empty() && !is_plain_path(path)) {
    fail(ErrorKind::data, "{} names an object '{}', which is no plain path", label_, printable(path));
  }
  Object current(H5Oopen(file_.get(), "/", H5P_DEFAULT));
  for (std::size_t begin = 0; begin < path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string part = path.substr(begin, end - begin);
    check_link(current.get(), part, path.substr(0, end));
    current = Object(H5Oopen(current.get(), part.c_str(), H5P_DEFAULT));
    const H5I_type_t expected = end == path.size() ? wanted : H5I_GROUP;
    if (!current || H5Iget_type(current.get()) != expected) {
      fail(ErrorKind::data, "{}: '{}' is no readable {}; the file is damaged or of another layout", label_,
           printable(path.substr(0, end)), expected == H5I_GROUP ? "group" : "dataset");
    }
    begin = end + 1;
  }
  if (!current) fail(ErrorKind::data, "{}: the root group cannot be read; the file is damaged", label_);
  return current;
}

bool Reader::has(const std::string& path) const {
  if (!is_plain_path(path)) return false;
  for (std::size_t end = path.find('/');; end = path.find('/', end + 1)) {
    if (H5Lexists(file_.get(), path.substr(0, end).c_str(), H5P_DEFAULT) <= 0) return false;
    const std::string parent = path.substr(0, end);
    H5L_info_t info{};
    if (H5Lget_info(file_.get(), parent.c_str(), &info, H5P_DEFAULT) < 0) return false;
    // A link is reported as present, so that reading it says what is wrong with it; nothing is looked up behind it.
    if (end == std::string::npos || info.type != H5L_TYPE_HARD) return true;
  }
}

std::vector<std::string> Reader::children(const std::string& group) const {
  const Object object = open(group, H5I_GROUP);
  H5G_info_t info{};
  if (H5Gget_info(object.get(), &info) < 0 || info.nlinks > limits_.names) {
    fail(ErrorKind::data, "{}: group '{}' is damaged or has more than {} members", label_, printable(group),
         limits_.names);
  }
  std::vector<std::string> names;
  for (hsize_t i = 0; i < info.nlinks; ++i) {
    const auto name_by_index = [&](char* buffer, std::size_t size) {
      return H5Lget_name_by_idx(object.get(), ".", H5_INDEX_NAME, H5_ITER_INC, i, buffer, size, H5P_DEFAULT);
    };
    const ssize_t length = name_by_index(nullptr, 0);
    if (length < 0 || static_cast<std::uint64_t>(length) > limits_.attribute_bytes) {
      fail(ErrorKind::data, "{}: the members of group '{}' cannot be listed", label_, printable(group));
    }
    std::string name(static_cast<std::size_t>(length), '\0');
    name_by_index(name.data(), name.size() + 1);
    names.push_back(std::move(name));
  }
  return names;
}

void Reader::count_bytes(const std::string& path, std::uint64_t bytes) {
  if (bytes > limits_.tensor_bytes) {
    fail(ErrorKind::data, "{}: '{}' claims {} bytes, more than the {} that one tensor may have", label_,
         printable(path), bytes, limits_.tensor_bytes);
  }
  bytes_read_ += bytes;
  if (bytes_read_ > limits_.total_bytes) {
    fail(ErrorKind::data, "{} claims more than {} bytes of tensors in all, which no weight file has", label_,
         limits_.total_bytes);
  }
}

void Reader::check_storage(hid_t dataset, const std::string& path, std::uint64_t bytes) const {
  const Properties properties(H5Dget_create_plist(dataset));
  const std::string name = printable(path);
  if (!properties) fail(ErrorKind::data, "{}: the header of '{}' is damaged", label_, name);
  const H5D_layout_t layout = H5Pget_layout(properties.get());
  if (layout == H5D_VIRTUAL) {
    fail(ErrorKind::data, "{}: '{}' is a virtual dataset, which could read other files; thaw refuses it", label_, name);
  }
  if (H5Pget_external_count(properties.get()) != 0) {
    fail(ErrorKind::data, "{}: '{}' keeps its values in an external file; thaw refuses it", label_, name);
  }
  const int filters = H5Pget_nfilters(properties.get());
  for (int i = 0; i < filters; ++i) {
    unsigned int flags = 0;
    std::size_t values = 0;
    const H5Z_filter_t filter =
        H5Pget_filter2(properties.get(), static_cast<unsigned>(i), &flags, &values, nullptr, 0, nullptr, nullptr);
    if (filter != H5Z_FILTER_DEFLATE && filter != H5Z_FILTER_SHUFFLE) {
      fail(ErrorKind::data, "{}: '{}' uses HDF5 filter {}; only deflate and shuffle are read", label_, name, filter);
    }
  }
  if (layout == H5D_CHUNKED) {
    std::array<hsize_t, H5S_MAX_RANK> chunk{};
    const int rank = H5Pget_chunk(properties.get(), H5S_MAX_RANK, chunk.data());
    const std::uint64_t limit = std::max<std::uint64_t>(bytes, 1 << 20);
    std::uint64_t elements = 1;
    for (int i = 0; i < rank && elements <= limit; ++i) {
      const std::uint64_t extent = std::max<hsize_t>(1, chunk[static_cast<std::size_t>(i)]);
      elements = extent > limit ? extent : elements * extent;
    }
    if (rank < 1 || elements > limit) {
      fail(ErrorKind::data, "{}: '{}' has chunks far larger than itself; thaw refuses it", label_, name);
    }
  }
  // Deflate reaches 1032:1 at best. A contiguous dataset stores each byte, and one that was never written stores none.
  const std::uint64_t stored = H5Dget_storage_size(dataset);
  const std::uint64_t possible = layout == H5D_CHUNKED ? stored * 1100 : stored;
  if (possible < bytes) {
    fail(ErrorKind::data, "{}: '{}' claims {} bytes but stores {}; the file is incomplete or made to exhaust memory",
         label_, name, bytes, stored);
  }
}

FileTensor Reader::tensor(const std::string& path, std::optional<std::span<const std::int64_t>> expected) {
  const Object dataset = open(path, H5I_DATASET);
  const std::string name = printable(path);
  const Type type(H5Dget_type(dataset.get()));
  if (!type || (H5Tequal(type.get(), H5T_IEEE_F32LE) <= 0 && H5Tequal(type.get(), H5T_IEEE_F32BE) <= 0)) {
    fail(ErrorKind::data, "{}: '{}' does not hold 32-bit floats; expected float32 weights (cast them in Keras first)",
         label_, name);
  }
  const Space space(H5Dget_space(dataset.get()));
  const H5S_class_t form = space ? H5Sget_simple_extent_type(space.get()) : H5S_NO_CLASS;
  if (form != H5S_SIMPLE && form != H5S_SCALAR) fail(ErrorKind::data, "{}: '{}' has no values", label_, name);
  std::array<hsize_t, H5S_MAX_RANK> extents{};
  const int rank = H5Sget_simple_extent_dims(space.get(), extents.data(), nullptr);

  FileTensor tensor;
  for (int i = 0; i < rank; ++i)
    tensor.shape.push_back(static_cast<std::int64_t>(extents[static_cast<std::size_t>(i)]));
  if (expected && !std::equal(tensor.shape.begin(), tensor.shape.end(), expected->begin(), expected->end())) {
    fail(ErrorKind::data, "{}: '{}' has shape {}, expected {}; these are another model's weights", label_, name,
         shape_text(tensor.shape), shape_text(*expected));
  }
  const std::int64_t elements = element_count(tensor.shape);
  if (elements == 0) fail(ErrorKind::data, "{}: '{}' of shape {} is empty", label_, name, shape_text(tensor.shape));
  const auto bytes = static_cast<std::uint64_t>(elements) * sizeof(float);
  count_bytes(path, bytes);
  check_storage(dataset.get(), path, bytes);
  tensor.data.resize(static_cast<std::size_t>(elements));
  if (H5Dread(dataset.get(), H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, tensor.data.data()) < 0) {
    fail(ErrorKind::data, "{}: '{}' cannot be read ({}); the file is truncated or damaged", label_, name,
         printable(last_reason(), 160));
  }
  return tensor;
}

}  // namespace thaw::h5
