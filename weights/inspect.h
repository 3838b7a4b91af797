#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "weights/spec.h"

namespace thaw {

/// What a weight file of either format holds, without needing to know its model. Keys: `path`, `bytes`, `md5`,
/// `sha256`, `known_as` (a name of the manifest or null), `trap` (only for a known bad file), `format` ("keras" or
/// "thaw"), `attributes`, `metadata` (thaw), `layers` (keras: number of all and of weighted ones), `parameters`, and
/// `tensors[]` with `layer`, `name`, `shape` (as in the file), `min`, `max`, `mean` and `nonfinite`. Names from the
/// file are escaped to printable ASCII. Throws `Error` (data) for a file that breaks the rules of `h5::Reader`.
nlohmann::json inspect(const std::filesystem::path& path);

/// The outcome of `verify`.
struct Verification {
  std::vector<std::string> problems;  ///< why the file must not be used; each a sentence
  std::vector<std::string> notes;     ///< what is good to know
  std::string md5;
  std::string sha256;

  [[nodiscard]] bool ok() const { return problems.empty(); }
  [[nodiscard]] nlohmann::json json() const;
};

/// Checks a file of either format against `spec`: the rules for untrusted files, layers and shapes, all values finite,
/// no kernel all zero, variances not negative and not all zero; and against the manifest: a known file is named, one
/// that has an official name but not its MD5 is a problem. Never throws for a bad file: that is its answer.
Verification verify(const std::filesystem::path& path, const ModelSpec& spec);

}  // namespace thaw
