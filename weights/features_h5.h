#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

namespace thaw {

/// Writes feature vectors to an HDF5 file: dataset `features` (N,C) float32 row-major, and dataset `paths` (N) of
/// variable-length UTF-8 strings, row i of one belonging to row i of the other. The file appears whole or not at all.
/// Throws `Error` (failed) if the counts disagree or the file cannot be written.
void write_features(const std::filesystem::path& path, std::span<const float> features, std::size_t n, std::size_t c,
                    std::span<const std::string> paths);

}  // namespace thaw
