#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/app/process.h"

namespace thaw::testing {

/// A request that the real command must refuse with one sentence: a row of a table.
struct BadInput {
  std::string name;
  /// What is typed behind `thaw`. {dir} is a folder of the test's own; {net}, {photos} and {out} are options of `train`
  /// that are right by themselves: a small network without a file, drawn photos, and the folder {dir}/run. '' is an
  /// empty argument.
  std::string command;
  int code;
  std::vector<std::string> says;                   ///< parts of the sentence, in which {dir} stands as well
  void (*prepare)(const fs::path& dir) = nullptr;  ///< puts there what the command is to find
  ProcessOptions process = {};
};

inline void PrintTo(const BadInput& bad, std::ostream* out) { *out << "thaw " << bad.command; }

class BadInputTest : public ::testing::TestWithParam<BadInput> {};

inline std::string name_of_row(const ::testing::TestParamInfo<BadInput>& tested) { return tested.param.name; }

// What rows are prepared from.
void write(const fs::path& path, const std::string& bytes);
/// {dir}/photos: a copy of the drawn photos.
void copy_photos(const fs::path& dir);
/// A drawn photo of the first class below `data`.
fs::path photo_in(const fs::path& data);
/// {dir}/w.h5: deterministic weights of mobilenet_v3_small.
void make_weights(const fs::path& dir);

}  // namespace thaw::testing
