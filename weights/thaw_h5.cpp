#include "weights/thaw_h5.h"

#include <fmt/format.h>

#include <bit>
#include <cstring>
#include <set>

#include "kernels/digest.h"
#include "kernels/error.h"
#include "weights/h5_reader.h"
#include "weights/h5_writer.h"
#include "weights/keras_h5.h"
#include "weights/rehearsal.h"

namespace thaw {
namespace {

static_assert(std::endian::native == std::endian::little, "content_sha256 hashes little-endian values");

constexpr const char* format_name = "thaw-weights";
constexpr const char* format_version = "1";

bool is_thaw_format(const h5::Reader& file) { return file.text("", "format") == format_name; }

void read_metadata(h5::Reader& file, Metadata& metadata) {
  metadata.clear();
  if (!file.has("metadata")) return;
  for (const std::string& key : file.children("metadata")) metadata[key] = file.text_dataset("metadata/" + key);
}

WeightSet read_open_file(h5::Reader& file, Metadata* metadata) {
  if (!is_thaw_format(file)) {
    fail(ErrorKind::data, "{} is no thaw weight file: its attribute 'format' is '{}', expected '{}'", file.label(),
         h5::printable(file.text("", "format").value_or("")), format_name);
  }
  if (const std::string version = file.text("", "version").value_or(""); version != format_version) {
    fail(ErrorKind::data, "{} has version '{}' of thaw's weight format, this thaw reads version {}; update thaw",
         file.label(), h5::printable(version), format_version);
  }
  const auto names = file.text_list("weights", "tensor_names");
  if (!names || names->empty()) {
    fail(ErrorKind::data, "{} lists no tensors; the file is damaged or incomplete", file.label());
  }
  if (std::set<std::string_view>(names->begin(), names->end()).size() != names->size()) {
    fail(ErrorKind::data, "{} lists a tensor twice; the file is damaged", file.label());
  }
  WeightSet set;
  set.model_id = file.text("", "model_id").value_or("");
  set.source = file.text("", "source").value_or("");
  set.source_sha256 = file.text("", "source_sha256").value_or("");
  for (const std::string& name : *names) {
    h5::FileTensor tensor = file.tensor("weights/" + name);
    set.tensors.push_back({name, std::move(tensor.shape), std::move(tensor.data)});
  }
  if (file.text("", "content_sha256").value_or("") != content_sha256(set)) {
    fail(ErrorKind::data, "{}: its tensors do not have the digest that was written with them; the file is damaged",
         file.label());
  }
  if (metadata != nullptr) read_metadata(file, *metadata);
  return set;
}

}  // namespace

std::string content_sha256(const WeightSet& set) {
  std::string lines;
  for (const NamedTensor& tensor : set.tensors) {
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(tensor.data.data());
    lines += fmt::format("{} {} {}\n", tensor.name, shape_text(tensor.shape),
                         sha256({bytes, tensor.data.size() * sizeof(float)}));
  }
  return sha256({reinterpret_cast<const std::uint8_t*>(lines.data()), lines.size()});
}

void write_thaw_h5(const std::filesystem::path& path, const WeightSet& set, const Metadata& metadata) {
  h5::Writer file(path);
  file.text("", "format", format_name);
  file.text("", "version", format_version);
  file.text("", "model_id", set.model_id);
  file.text("", "source", set.source);
  file.text("", "source_sha256", set.source_sha256);
  file.text("", "content_sha256", content_sha256(set));
  file.group("weights");
  std::vector<std::string> names;
  for (const NamedTensor& tensor : set.tensors) names.push_back(tensor.name);
  file.text("weights", "dtype", "f32");
  file.text_list("weights", "tensor_names", names);
  for (const NamedTensor& tensor : set.tensors) file.tensor("weights/" + tensor.name, tensor.shape, tensor.data);
  for (const auto& [key, value] : metadata) {
    if (key.find('/') != std::string::npos) fail(ErrorKind::failed, "[weights] metadata key '{}' has a '/'", key);
    file.text_dataset("metadata/" + key, value);
  }
  file.commit();
}

WeightSet read_thaw_h5(const std::filesystem::path& path, Metadata* metadata) {
  const auto read = [&] {
    h5::Reader file(path);
    return read_open_file(file, metadata);
  };
  rehearse(path, read);
  return read();
}

bool is_thaw_h5(const std::filesystem::path& path) {
  const auto look = [&] { return is_thaw_format(h5::Reader(path)); };
  rehearse(path, look);
  return look();
}

WeightSet read_weights(const std::filesystem::path& path, const ModelSpec& spec, Metadata* metadata) {
  if (!is_thaw_h5(path)) {
    if (metadata != nullptr) metadata->clear();
    return read_keras_h5(path, spec);
  }
  WeightSet set = read_thaw_h5(path, metadata);
  if (set.model_id != spec.model_id) {
    fail(ErrorKind::data, "'{}' holds weights of {}, expected {}; give the file of that model, or its model",
         path.string(), h5::printable(set.model_id), spec.model_id);
  }
  require_tensors(set, spec, fmt::format("'{}'", path.string()));
  return set;
}

}  // namespace thaw
