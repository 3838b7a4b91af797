#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "data/split.h"
#include "framework/layers.h"
#include "framework/schedule.h"

namespace thaw {

/// Everything that `thaw train` can be told, as text and numbers, so that it can be written down and read back.
struct TrainSettings {
  std::string model, weights, data;
  std::string split = std::string(default_split);
  std::string unfreeze = "none";
  std::string bn = "train";
  std::string keras_rescaling = "on";
  int epochs = 10;
  int batch = 32;
  double lr = 5e-4;
  std::string schedule = "constant";
  std::int64_t warmup_steps = 0;
  std::string optimizer = "adam";
  double dropout = 0;
  std::string head = "none";
  int size = 0;
  std::string dtype = "auto";
  std::string device = "auto";
  bool tf32 = false, fast = false, autotune = false;  ///< `BackendOptions`
  std::uint64_t seed = 0;
  int threads = 0;
  bool flip = false, crop = false;
  std::string bad_images = "stop";
  bool no_cache = false;
  std::string cache_limit = "2GiB";
  std::string image_cache = "2GiB";
  int early_stop = 0;
  std::string train_eval = "last";
  std::int64_t checkpoint_steps = 0;

  /// Throws `Error` (usage) naming the first option that is impossible by itself.
  void check() const;
  /// The learning rate over `steps_per_epoch * epochs` steps.
  [[nodiscard]] Schedule learning_rates(std::int64_t steps_per_epoch) const;
  [[nodiscard]] NormMode norm_mode() const { return parse_norm_mode(bn); }
};

/// The options of `thaw train`, one each.
void add_training_options(CLI::App* command, TrainSettings& settings);

nlohmann::json to_json(const TrainSettings& settings);
/// Throws nlohmann's exception for a document of another form.
TrainSettings train_settings_from(const nlohmann::json& json);

/// Names of the settings that concern the machine: threads, caches, how often it saves. They change no bit of a result.
const std::vector<std::string>& machine_settings();
/// Those settings that decide what the weights become: not where the run lies, nor what concerns the machine.
nlohmann::json recipe_of(const TrainSettings& settings);
/// `begun` with the places of photos and weights and the machine's settings of `here`: how a run goes on elsewhere.
TrainSettings moved_here(const TrainSettings& begun, const TrainSettings& here);

}  // namespace thaw
