#include "tests/weights/fixtures.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "kernels/error.h"
#include "weights/synth.h"

namespace thaw::testing {
namespace fs = std::filesystem;
namespace {

std::optional<fs::path> below(const char* variable, const std::string& name) {
  const char* root = std::getenv(variable);
  if (root == nullptr || !fs::exists(fs::path(root) / name)) return std::nullopt;
  return fs::path(root) / name;
}

fs::path new_folder_path() {
  static std::atomic<int> counter{0};
  return fs::temp_directory_path() / fmt::format("thaw_weights_{}_{}", ::getpid(), counter++);
}

std::vector<std::string> split(const std::string& text, const std::string& separator) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(separator, begin), text.size());
    if (end > begin) parts.push_back(text.substr(begin, end - begin));
    begin = end + separator.size();
  }
  return parts;
}

TensorKind kind_of(const std::string& type, const std::string& leaf) {
  if (leaf.find("kernel") == std::string::npos) return TensorKind::vector;
  return type == "DepthwiseConv2D" ? TensorKind::depthwise_kernel : TensorKind::conv_kernel;
}

/// "kernel:(3,3,3,16)" of layer "conv".
TensorSpec parse_tensor(const std::string& layer, const std::string& type, const std::string& text) {
  const std::size_t colon = text.find(':');
  const std::string leaf = text.substr(0, colon);
  TensorSpec tensor;
  tensor.kind = kind_of(type, leaf);
  tensor.name = layer + "/" + (leaf == "depthwise_kernel" ? "kernel" : leaf);
  for (const std::string& extent : split(text.substr(colon + 2, text.size() - colon - 3), ",")) {
    tensor.keras_shape.push_back(std::stoll(extent));
  }
  return tensor;
}

}  // namespace

TempFolder::TempFolder() : path_(new_folder_path()) { fs::create_directories(path_); }

TempFolder::~TempFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::optional<fs::path> fact(const std::string& name) { return below("THAW_FACTS", name); }
std::optional<fs::path> asset(const std::string& name) { return below("THAW_ASSETS", name); }

std::vector<std::vector<std::string>> read_csv(const fs::path& path) {
  std::vector<std::vector<std::string>> rows;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    std::vector<std::string> row(1);
    bool quoted = false;
    for (const char c : line) {
      if (c == '"') {
        quoted = !quoted;
      } else if (c == ',' && !quoted) {
        row.emplace_back();
      } else if (c != '\r') {
        row.back() += c;
      }
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<FactLayer> fact_layers(const fs::path& csv) {
  const auto rows = read_csv(csv);
  const auto column = [&](const std::string& name) {
    return static_cast<std::size_t>(std::find(rows[0].begin(), rows[0].end(), name) - rows[0].begin());
  };
  std::vector<FactLayer> layers;
  for (std::size_t i = 1; i < rows.size(); ++i) {
    const auto& row = rows[i];
    if (row[column("weights")].empty()) continue;
    FactLayer fact{
        {row[column("name")], "", {}}, row[column("h5_layer_name")], split(row[column("h5_datasets")], "; ")};
    for (const std::string& text : split(row[column("weights")], "; ")) {
      fact.layer.tensors.push_back(parse_tensor(fact.layer.name, row[column("type")], text));
    }
    layers.push_back(std::move(fact));
  }
  return layers;
}

ModelSpec fact_spec(const fs::path& csv, const std::string& model_id) {
  ModelSpec spec{model_id, {}};
  for (FactLayer& fact : fact_layers(csv)) spec.layers.push_back(std::move(fact.layer));
  return spec;
}

std::vector<std::string> fact_layer_names(const fs::path& csv) {
  std::vector<std::string> names;
  for (const auto& row : read_csv(csv)) names.push_back(row[1]);
  names.erase(names.begin());
  return names;
}

ModelSpec tiny_spec() {
  const auto norm = [](const std::string& layer, std::int64_t c) {
    LayerSpec spec{layer, "", {}};
    for (const char* leaf : {"gamma", "beta", "moving_mean", "moving_variance"}) {
      spec.tensors.push_back({layer + "/" + leaf, TensorKind::vector, {c}, ""});
    }
    return spec;
  };
  return {"mobilenet_v3_tiny",
          {{"conv", "", {{"conv/kernel", TensorKind::conv_kernel, {3, 3, 3, 4}, ""}}},
           norm("conv_bn", 4),
           {"expanded_conv_depthwise",
            "",
            {{"expanded_conv_depthwise/kernel", TensorKind::depthwise_kernel, {3, 3, 4, 1}, ""}}},
           {"expanded_conv_squeeze_excite_conv",
            "",
            {{"expanded_conv_squeeze_excite_conv/kernel", TensorKind::conv_kernel, {1, 1, 4, 8}, ""},
             {"expanded_conv_squeeze_excite_conv/bias", TensorKind::vector, {8}, ""}}}}};
}

std::vector<RawLayer> tiny_layers() {
  return {{"input_1", {}},
          {"Conv", {{"Conv/kernel:0", {3, 3, 3, 4}}}},
          {"Conv/BatchNorm",
           {{"Conv/BatchNorm/gamma:0", {4}},
            {"Conv/BatchNorm/beta:0", {4}},
            {"Conv/BatchNorm/moving_mean:0", {4}},
            {"Conv/BatchNorm/moving_variance:0", {4}}}},
          {"re_lu", {}},
          {"expanded_conv/depthwise", {{"expanded_conv/depthwise/depthwise_kernel:0", {3, 3, 4, 1}}}},
          {"expanded_conv/squeeze_excite/Conv",
           {{"expanded_conv/squeeze_excite/Conv/kernel:0", {1, 1, 4, 8}},
            {"expanded_conv/squeeze_excite/Conv/bias:0", {8}}}}};
}

RawFile::RawFile(const fs::path& path) : file_(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT)) {}
RawFile::~RawFile() { H5Fclose(file_); }

void RawFile::group(const std::string& path) {
  for (std::size_t end = path.find('/');; end = path.find('/', end + 1)) {
    const std::string part = path.substr(0, end);
    if (!part.empty() && H5Lexists(file_, part.c_str(), H5P_DEFAULT) <= 0) {
      H5Gclose(H5Gcreate2(file_, part.c_str(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    }
    if (end == std::string::npos) return;
  }
}

void RawFile::strings(const std::string& group, const std::string& attribute, const std::vector<std::string>& values,
                      StringForm form) {
  const hid_t object = H5Oopen(file_, ("/" + group).c_str(), H5P_DEFAULT);
  const hsize_t count = values.size();
  const hid_t space = H5Screate_simple(1, &count, nullptr);
  const hid_t type = H5Tcopy(H5T_C_S1);
  std::size_t width = 1;
  for (const std::string& value : values) width = std::max(width, value.size());
  H5Tset_size(type, form == StringForm::fixed ? width : H5T_VARIABLE);
  if (form == StringForm::fixed) H5Tset_strpad(type, H5T_STR_NULLPAD);
  const hid_t made = H5Acreate2(object, attribute.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT);
  std::string bytes(width * values.size(), '\0');
  std::vector<const char*> pointers;
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i].copy(bytes.data() + i * width, width);
    pointers.push_back(values[i].c_str());
  }
  H5Awrite(made, type, form == StringForm::fixed ? static_cast<const void*>(bytes.data()) : pointers.data());
  H5Aclose(made);
  H5Tclose(type);
  H5Sclose(space);
  H5Oclose(object);
}

void RawFile::empty_list(const std::string& group, const std::string& attribute) {
  const hid_t object = H5Oopen(file_, ("/" + group).c_str(), H5P_DEFAULT);
  const hsize_t none = 0;
  const hid_t space = H5Screate_simple(1, &none, nullptr);
  H5Aclose(H5Acreate2(object, attribute.c_str(), H5T_IEEE_F64LE, space, H5P_DEFAULT, H5P_DEFAULT));
  H5Sclose(space);
  H5Oclose(object);
}

void RawFile::floats(const std::string& path, const std::vector<hsize_t>& shape, hid_t creation, hid_t type) {
  if (path.find('/') != std::string::npos) group(path.substr(0, path.rfind('/')));
  std::size_t count = 1;
  for (const hsize_t extent : shape) count *= extent;
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = raw_value(path, i);
  const hid_t space = H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr);
  const hid_t made = H5Dcreate2(file_, path.c_str(), type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
  H5Dwrite(made, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data());
  H5Dclose(made);
  H5Sclose(space);
}

void RawFile::layer(const std::string& root, const RawLayer& layer, StringForm form) {
  const std::string path = root.empty() ? layer.name : root + "/" + layer.name;
  group(path);
  std::vector<std::string> names;
  for (const RawWeight& weight : layer.weights) {
    names.push_back(weight.name);
    floats(path + "/" + weight.name, weight.shape);
  }
  if (names.empty()) {
    empty_list(path, "weight_names");
  } else {
    strings(path, "weight_names", names, form);
  }
}

float raw_value(const std::string& path, std::size_t i) {
  const std::size_t last = path.rfind('/');
  const std::size_t before = last == std::string::npos || last == 0 ? std::string::npos : path.rfind('/', last - 1);
  const std::string key = before == std::string::npos ? path : path.substr(before + 1);
  return static_cast<float>(synthetic_value(fnv1a(key), static_cast<std::uint32_t>(i))) + 2.0F;
}

void write_raw_keras(const fs::path& path, const std::vector<RawLayer>& layers, StringForm form,
                     const std::function<void(RawFile&)>& spoil) {
  RawFile file(path);
  std::vector<std::string> names;
  for (const RawLayer& layer : layers) {
    names.push_back(layer.name);
    file.layer("", layer, form);
  }
  file.strings("", "layer_names", names, form);
  if (spoil) spoil(file);
}

std::string data_error(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.kind() == ErrorKind::data ? error.what() : fmt::format("wrong kind: {}", error.what());
  }
  return "";
}

std::string bytes_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << in.rdbuf();
  return bytes.str();
}

void put_bytes(const fs::path& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

}  // namespace thaw::testing
