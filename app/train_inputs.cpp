#include <fmt/format.h>

#include "app/options.h"
#include "app/training_run.h"
#include "kernels/error.h"

namespace thaw {

namespace {

/// Paths as a later call from another folder finds them.
std::string absolute(const std::string& path) { return std::filesystem::absolute(path).lexically_normal().string(); }

Dataset open_photos(const TrainSettings& settings, std::vector<std::string>& skipped, Console& console,
                    SharedInputs* shared) {
  const DatasetOptions options{.bad = settings.bad_images == "skip" ? BadImages::skip : BadImages::stop,
                               .threads = settings.threads};
  Dataset dataset = shared != nullptr ? shared->dataset(settings.data, options) : Dataset::open(settings.data, options);
  for (const BadImage& image : dataset.skipped()) {
    skipped.push_back(fmt::format("{}: {}", image.key, image.reason));
    console.err << "thaw: skipped " << skipped.back() << std::endl;
  }
  return dataset;
}

SessionOptions session_options(const TrainSettings& settings, const Dataset& dataset) {
  SessionOptions options{.model = settings.model, .weights = settings.weights, .size = settings.size};
  options.wish = HeadWish::as_given;
  options.head = {
      .classes = dataset.class_count(), .hidden = parse_widths(settings.head, "--head"), .dropout = settings.dropout};
  options.class_names = dataset.class_names();
  options.seed = settings.seed;
  options.device = {.device = settings.device,
                    .dtype = settings.dtype,
                    .threads = settings.threads,
                    .tf32 = settings.tf32,
                    .fast = settings.fast,
                    .autotune = settings.autotune};
  return options;
}

}  // namespace

TrainInputs open_train_inputs(TrainSettings& settings, Console& console, const RunSurroundings& surroundings) {
  std::vector<std::string> skipped;
  Dataset dataset = open_photos(settings, skipped, console, surroundings.shared);
  Split split = split_dataset(dataset, settings.split);
  SessionOptions options = session_options(settings, dataset);
  options.opened = surroundings.device;
  Session session = open_session(options);
  Selection selection = select_layers(*session.network, settings.unfreeze,
                                      {.keras_rescaling = parse_switch(settings.keras_rescaling, "--keras-rescaling")});
  apply_selection(*session.network, selection, settings.norm_mode());

  settings.model = session.network->id;
  settings.size = session.network->size;
  settings.device = session.device.backend->name();
  settings.dtype = name_of(session.device.dtype);
  settings.data = absolute(settings.data);
  if (is_weight_file(settings.weights)) settings.weights = absolute(settings.weights);
  session.card.split = settings.split;

  const nlohmann::json digests = {{"weights_sha256", session.weights_sha256}, {"data_sha256", dataset.content_hash()}};
  return {std::move(dataset), std::move(split), std::move(session), std::move(selection), std::move(skipped), digests};
}

}  // namespace thaw
