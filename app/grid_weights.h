#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace thaw {

/// Where a grid looks for weights when it is told nothing: `$THAW_ASSETS`, then the cache folder.
std::vector<std::filesystem::path> standard_weight_folders();

/// The file that `text` of a grid means for `model`: "none" and "synth" stay as they are; a name is a file in one of
/// the folders, or a path; an empty text is the model's file in the first folder that has one: the official one, else
/// the only .h5 whose name begins with the model's. Throws `Error` (data) saying what was looked for and where.
std::string find_weights(const std::string& text, const std::string& model,
                         const std::vector<std::filesystem::path>& folders);

}  // namespace thaw
