#pragma once

#include <optional>

#include "app/training_run.h"

namespace thaw {

/// A run that was begun: its settings, and what must be the same when it goes on.
struct BegunRun {
  TrainSettings settings;
  nlohmann::json digests;
};

/// Throws `Error` (data) where the folder's settings are damaged or of another version.
BegunRun read_begun_run(const RunFolder& folder);

/// Trains in `folder` to the end, from where `begun` stands if there is one; returns the exit code (0, 129, 130, 143).
/// Throws `Error` as everything that it does, and (data) where photos or weights changed since the run began.
int train_in(const RunFolder& folder, TrainSettings settings, const std::optional<BegunRun>& begun, Console& console,
             const RunSurroundings& surroundings);

}  // namespace thaw
