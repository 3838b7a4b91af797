#include "tests/models/support.h"

#include <fmt/format.h>

#include <cstdlib>
#include <fstream>
#include <stdexcept>

#include "kernels/reference/reference_backend.h"
#include "models/weight_spec.h"
#include "weights/synth.h"

namespace thaw::test {

namespace {

std::vector<std::string> split_csv_line(const std::string& line) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  for (const char ch : line) {
    if (ch == '"') {
      quoted = !quoted;
    } else if (ch == ',' && !quoted) {
      fields.emplace_back();
    } else if (ch != '\r') {
      fields.back() += ch;
    }
  }
  return fields;
}

}  // namespace

std::optional<std::filesystem::path> keras_facts(const std::string& name) {
  const char* folder = std::getenv("THAW_FACTS");
  if (folder == nullptr) return std::nullopt;
  std::filesystem::path path = std::filesystem::path(folder) / "keras" / name;
  if (!std::filesystem::exists(path)) return std::nullopt;
  return path;
}

std::string without_facts(const std::string& name) {
  return fmt::format("no keras/{} below $THAW_FACTS; set it to the facts' folder", name);
}

std::vector<CsvRow> read_csv(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  const std::vector<std::string> header = split_csv_line(line);
  std::vector<CsvRow> rows;
  while (std::getline(file, line)) {
    if (line.empty()) continue;
    const std::vector<std::string> fields = split_csv_line(line);
    if (fields.size() != header.size()) throw std::runtime_error("a row of another length in " + path.string());
    CsvRow row;
    for (std::size_t i = 0; i < header.size(); ++i) row[header[i]] = fields[i];
    rows.push_back(std::move(row));
  }
  return rows;
}

std::string field(const CsvRow& row, const std::string& column) { return row.at(column); }

std::int64_t number(const CsvRow& row, const std::string& column) { return std::stoll(row.at(column)); }

std::string keras_class(const std::string& model) {
  if (model == "resnet50") return "ResNet50";
  return model == "mobilenet_v3_large" ? "MobileNetV3Large" : "MobileNetV3Small";
}

std::unique_ptr<Network> reference_model(const std::string& name, const ModelOptions& options) {
  // One thread: test programs run side by side, and threads that wait for each other on a busy machine take minutes.
  return build_model(name, std::make_shared<ReferenceBackend>(BackendOptions{.threads = 1}), options);
}

void fill_synthetic(Network& network) {
  const bool head = network.classes > 0;
  const WeightSet weights = synthetic_weights(weight_spec(network, head ? WeightPart::all : WeightPart::base));
  load_weights(network, weights, head);
}

Tensor synthetic_pixels(const Network& network, int n) {
  const Shape shape{n, network.size, network.size, 3};
  const std::vector<std::uint8_t> bytes = synthetic_input(static_cast<std::size_t>(shape.numel()));
  const std::vector<double> values(bytes.begin(), bytes.end());
  const Dtype master = network.parameters.all().front().value().dtype();
  return Tensor::from_host(network.parameters.backend(), shape, master, std::span(values));
}

Context context_of(const Network& network, Dtype dtype) {
  Context ctx;
  ctx.backend = network.parameters.backend();
  ctx.dtype = dtype;
  return ctx;
}

std::string shape_text(const Shape& shape) {
  std::string text;
  for (int axis = 0; axis < shape.rank(); ++axis) text += fmt::format("{}{}", axis == 0 ? "" : "x", shape[axis]);
  return text;
}

}  // namespace thaw::test
