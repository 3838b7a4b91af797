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

/// Skips the running test visibly where a file of facts is missing; defines `variable` as its path otherwise.
#define THAW_FACTS_OR_SKIP(variable, name)                                                                           \
  const auto variable##_found = ::thaw::test::keras_facts(name);                                                     \
  if (!variable##_found) GTEST_SKIP() << "no keras/" << (name) << " below $THAW_FACTS; set it to the facts' folder"; \
  const std::filesystem::path& variable = *variable##_found

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
