// What people write: selectors, the settings of a run, and grids of runs.
#include <map>
#include <nlohmann/json.hpp>

#include "app/grid_plan.h"
#include "app/train_settings.h"
#include "kernels/error.h"
#include "kernels/reference/reference_backend.h"
#include "models/selector.h"
#include "models/zoo.h"
#include "tests/fuzz/targets.h"

namespace thaw::fuzz {

namespace {

/// The smallest networks that have all kinds of rows; building them takes no values of a backend but zeros.
const Network& network(const std::string& name) {
  static std::map<std::string, std::unique_ptr<Network>> networks;
  std::unique_ptr<Network>& slot = networks[name];
  if (slot == nullptr) {
    slot = build_model(name, std::make_shared<ReferenceBackend>(BackendOptions{.threads = 1}),
                       {.size = 32, .head = {.classes = 2}});
  }
  return *slot;
}

}  // namespace

void selector(Bytes bytes) {
  for (const char* name : {"mobilenet_v3_small", "resnet50"}) {
    for (int bits = 0; bits < 2; ++bits) {
      const SelectorOptions options{.keras_rescaling = bits == 0, .clip_blocks = bits == 0, .tail_is_block = bits == 1};
      expect_typed_answer([&] {
        const Selection selection = select_layers(network(name), as_text(bytes), options);
        require(selection.unfrozen.size() == network(name).layers.rows().size(), "a selection covers every layer");
        const Selection again = select_layers(network(name), selection.text, options);
        require(again.unfrozen == selection.unfrozen, "a selection's text selects the same layers");
      });
    }
  }
}

void grid(Bytes bytes) {
  static const grid::KnownSettings known = known_grid_settings();
  expect_typed_answer([&] {
    const grid::GridFile file = grid::parse_grid(as_text(bytes), "grid.toml", known);
    require(!file.experiments.empty(), "a grid has experiments");
    for (const grid::Experiment& experiment : file.experiments) {
      const std::filesystem::path folder(experiment.folder());
      require(folder.is_relative() && folder.lexically_normal() == folder, "a folder stays within the grid's");
      static_cast<void>(grid_settings_of(experiment));
    }
  });
}

void settings(Bytes bytes) {
  const nlohmann::json json = nlohmann::json::parse(as_text(bytes), nullptr, false);
  if (json.is_discarded()) return;
  try {
    const TrainSettings settings = train_settings_from(json);
    require(train_settings_from(to_json(settings)).unfreeze == settings.unfreeze, "settings survive being written");
    expect_typed_answer([&] {
      settings.check();
      require(settings.learning_rates(100).at(1) >= 0, "sound settings have a learning rate");
    });
    (void)recipe_of(settings).dump();
  } catch (const nlohmann::json::exception&) {
    // the answer of `train_settings_from` to a document of another form, which its caller turns into a sentence
  }
}

}  // namespace thaw::fuzz
