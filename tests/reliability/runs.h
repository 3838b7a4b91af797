#pragma once

#include "tests/app/process.h"
#include "tests/app/run_files.h"

namespace thaw::testing {

/// A training that touches all there is to restore: batch statistics, augmentation, dropout, Adam's moments; it saves
/// after every step. About a second long.
inline std::vector<std::string> training_of_all(const std::string& out) {
  return small_training(out, {"--epochs", "3", "--unfreeze", "all", "--flip", "--crop", "--dropout", "0.3",
                              "--checkpoint-steps", "1", "--train-eval", "each"});
}

/// A training on a cached prefix.
inline std::vector<std::string> training_of_blocks(const std::string& out) {
  return small_training(out, {"--epochs", "4", "--unfreeze", "blocks:2", "--dropout", "0.3", "--schedule", "cosine",
                              "--checkpoint-steps", "2"});
}

/// How a user goes on with what lies in the folder of a training that was killed.
inline std::vector<std::string> words_to_go_on(const std::vector<std::string>& training, const std::string& folder) {
  return fs::exists(folder + "/settings.json") ? std::vector<std::string>{"train", "--resume", folder} : training;
}

inline bool is_finished(const std::string& folder) { return fs::exists(folder + "/result.json"); }

}  // namespace thaw::testing
