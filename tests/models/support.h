#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/selector.h"
#include "models/zoo.h"

namespace thaw::test {

/// `$THAW_FACTS/keras/<name>`, or nothing where the variable is unset or the file missing.
std::optional<std::filesystem::path> keras_facts(const std::string& name);

/// What a test says that skips for want of a file of facts.
std::string without_facts(const std::string& name);

/// A CSV file with a header as one map a row; quoted fields may hold commas.
using CsvRow = std::map<std::string, std::string>;
std::vector<CsvRow> read_csv(const std::filesystem::path& path);

/// A row's value; fails the test by throwing where the column does not exist.
std::string field(const CsvRow& row, const std::string& column);
std::int64_t number(const CsvRow& row, const std::string& column);

/// "resnet50" -> "ResNet50", as `unfreeze_map.csv` calls it.
std::string keras_class(const std::string& model);

/// A model on a reference backend of its own.
std::unique_ptr<Network> reference_model(const std::string& name, const ModelOptions& options);

/// Fills weights and statistics of base and head with the deterministic values of `weights/synth.h`.
void fill_synthetic(Network& network);

/// Pixels (n,S,S,3) of the deterministic input in the network's master type.
Tensor synthetic_pixels(const Network& network, int n);

/// A context on the network's backend.
Context context_of(const Network& network, Dtype dtype);

/// "112x112x16".
std::string shape_text(const Shape& shape);

}  // namespace thaw::test
