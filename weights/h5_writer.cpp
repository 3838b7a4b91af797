#include "weights/h5_writer.h"

#include <algorithm>

#include "kernels/error.h"
#include "kernels/files.h"
#include "weights/spec.h"

namespace thaw::h5 {
namespace {

constexpr std::size_t attribute_limit = 64512;  // Keras' HDF5_OBJECT_HEADER_LIMIT

/// A fixed-length null-padded string type as h5py writes numpy bytes; HDF5 has no strings of length 0.
Type fixed_type(std::size_t width) {
  Type type(H5Tcopy(H5T_C_S1));
  H5Tset_size(type.get(), std::max<std::size_t>(1, width));
  H5Tset_strpad(type.get(), H5T_STR_NULLPAD);
  return type;
}

Properties without_times(hid_t property_class) {
  Properties properties(H5Pcreate(property_class));
  H5Pset_obj_track_times(properties.get(), false);
  return properties;
}

}  // namespace

// HDF5 does not survive a full disk: what it could not write stays open inside the library for good, and the next file
// that gets the same inode is refused. So it writes into memory, and the bytes go to the disk as all others do.
Writer::Writer(const std::filesystem::path& path) : path_(path), label_(fmt::format("'{}'", path.string())) {
  require_writable(path_);  // known before the values are computed or collected
  constexpr std::size_t growth = std::size_t{4} << 20;
  const Properties creation(H5Pcreate(H5P_FILE_CREATE)), access(H5Pcreate(H5P_FILE_ACCESS));
  H5Pset_obj_track_times(creation.get(), false);
  H5Pset_fapl_core(access.get(), growth, false);
  file_ = File(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, creation.get(), access.get()));
  if (!file_) fail_write("its beginning");
}

void Writer::fail_write(const std::string& object) const {
  fail(ErrorKind::failed, "cannot write '{}' into {} ({}); free some memory", object, label_, last_reason());
}

void Writer::group(const std::string& path) {
  if (path.empty()) return;
  if (!is_plain_path(path)) {
    fail(ErrorKind::failed, "[weights] '{}' cannot be a name inside {}: it is no plain path", path, label_);
  }
  const Properties creation = without_times(H5P_GROUP_CREATE);
  for (std::size_t end = path.find('/');; end = path.find('/', end + 1)) {
    const std::string part = path.substr(0, end);
    if (H5Lexists(file_.get(), part.c_str(), H5P_DEFAULT) <= 0) {
      const Object made(H5Gcreate2(file_.get(), part.c_str(), H5P_DEFAULT, creation.get(), H5P_DEFAULT));
      if (!made) fail_write(part);
    }
    if (end == std::string::npos) return;
  }
}

void Writer::text(const std::string& group, const std::string& attribute, std::string_view value) {
  const std::string copy(value);
  const Object object(H5Oopen(file_.get(), ("/" + group).c_str(), H5P_DEFAULT));
  const Type type = fixed_type(copy.size());
  const Space space(H5Screate(H5S_SCALAR));
  const Attribute made(H5Acreate2(object.get(), attribute.c_str(), type.get(), space.get(), H5P_DEFAULT, H5P_DEFAULT));
  if (!made || H5Awrite(made.get(), type.get(), copy.c_str()) < 0) fail_write(group + "@" + attribute);
}

void Writer::text_part(hid_t group, const std::string& attribute, std::span<const std::string> values,
                       std::size_t width) {
  const Type type = fixed_type(width);
  const hsize_t count = values.size();
  const Space space(H5Screate_simple(1, &count, nullptr));
  std::string bytes(std::max<std::size_t>(1, width) * values.size(), '\0');
  for (std::size_t i = 0; i < values.size(); ++i) values[i].copy(bytes.data() + i * width, width);
  const Attribute made(H5Acreate2(group, attribute.c_str(), type.get(), space.get(), H5P_DEFAULT, H5P_DEFAULT));
  if (!made || H5Awrite(made.get(), type.get(), bytes.data()) < 0) fail_write(attribute);
}

void Writer::text_list(const std::string& group, const std::string& attribute, std::span<const std::string> values) {
  const Object object(H5Oopen(file_.get(), ("/" + group).c_str(), H5P_DEFAULT));
  if (values.empty()) {
    const hsize_t none = 0;
    const Space space(H5Screate_simple(1, &none, nullptr));
    const Attribute made(
        H5Acreate2(object.get(), attribute.c_str(), H5T_IEEE_F64LE, space.get(), H5P_DEFAULT, H5P_DEFAULT));
    if (!made) fail_write(group + "@" + attribute);
    return;
  }
  std::size_t width = 0;
  for (const std::string& value : values) width = std::max(width, value.size());
  if (width == 0 || width > attribute_limit) fail_write(group + "@" + attribute);
  // As numpy.array_split: the fewest parts that fit, of which the first `extra` are one entry longer.
  std::size_t parts = 1;
  while ((values.size() + parts - 1) / parts * width > attribute_limit) ++parts;
  const std::size_t length = values.size() / parts;
  const std::size_t extra = values.size() % parts;
  for (std::size_t part = 0, begin = 0; part < parts; ++part) {
    const std::size_t size = length + (part < extra ? 1 : 0);
    text_part(object.get(), parts == 1 ? attribute : attribute + std::to_string(part), values.subspan(begin, size),
              width);
    begin += size;
  }
}

void Writer::dataset(const std::string& path, hid_t type, hid_t memory_type, hid_t space, const void* values) {
  if (!is_plain_path(path)) {
    fail(ErrorKind::failed, "[weights] '{}' cannot be a name inside {}: it is no plain path", path, label_);
  }
  if (const std::size_t slash = path.rfind('/'); slash != std::string::npos) group(path.substr(0, slash));
  const Properties creation = without_times(H5P_DATASET_CREATE);
  const Object made(H5Dcreate2(file_.get(), path.c_str(), type, space, H5P_DEFAULT, creation.get(), H5P_DEFAULT));
  if (!made || H5Dwrite(made.get(), memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0) fail_write(path);
}

void Writer::tensor(const std::string& path, std::span<const std::int64_t> shape, std::span<const float> values) {
  const std::int64_t count = element_count(shape);
  if (count == 0 || static_cast<std::size_t>(count) != values.size() || shape.size() > H5S_MAX_RANK) {
    fail(ErrorKind::failed, "[weights] '{}' of shape {} cannot be written with {} values", path, shape_text(shape),
         values.size());
  }
  std::vector<hsize_t> extents(shape.begin(), shape.end());
  const Space space(shape.empty() ? H5Screate(H5S_SCALAR)
                                  : H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr));
  dataset(path, H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, space.get(), values.data());
}

void Writer::text_dataset(const std::string& path, const std::string& value) {
  const Type type = fixed_type(value.size());
  const Space space(H5Screate(H5S_SCALAR));
  dataset(path, type.get(), type.get(), space.get(), value.c_str());
}

void Writer::text_array(const std::string& path, std::span<const std::string> values) {
  Type type(H5Tcopy(H5T_C_S1));
  H5Tset_size(type.get(), H5T_VARIABLE);
  H5Tset_cset(type.get(), H5T_CSET_UTF8);
  const hsize_t count = values.size();
  const Space space(H5Screate_simple(1, &count, nullptr));
  std::vector<const char*> pointers;
  for (const std::string& value : values) pointers.push_back(value.c_str());
  dataset(path, type.get(), type.get(), space.get(), pointers.data());
}

void Writer::commit() {
  void* bytes = nullptr;  // where the file in memory has its address
  const bool flushed = H5Fflush(file_.get(), H5F_SCOPE_GLOBAL) >= 0;
  const ssize_t size = H5Fget_file_image(file_.get(), nullptr, 0);
  if (!flushed || size <= 0 || H5Fget_vfd_handle(file_.get(), H5P_DEFAULT, &bytes) < 0) fail_write("its end");
  AtomicWriter file(path_, static_cast<std::uintmax_t>(size));
  file.write(*static_cast<void**>(bytes), static_cast<std::size_t>(size));
  file.commit();
  file_ = File();
}

}  // namespace thaw::h5
