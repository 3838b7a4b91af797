#include <fmt/ranges.h>

#include <numeric>

#include "app/commands.h"
#include "app/image_source.h"
#include "app/options.h"
#include "app/progress.h"
#include "app/result.h"
#include "data/split.h"
#include "framework/optimizer.h"
#include "kernels/error.h"

namespace thaw {

namespace {

struct EvalOptions {
  SessionOptions session;
  std::string data;
  std::string split;
  std::string part = "test";
  std::string bad_images = "stop";
  int batch = 32;
  bool json = false;
};

std::vector<int> images_of(const EvalOptions& options, const Dataset& dataset, const std::string& split_text) {
  if (options.part == "all") {
    std::vector<int> all(static_cast<std::size_t>(dataset.size()));
    std::iota(all.begin(), all.end(), 0);
    return all;
  }
  const Split split = split_dataset(dataset, split_text);
  if (options.part == "train") return split.train;
  return options.part == "val" ? split.val : split.test;
}

void require_same_classes(const Session& session, const Dataset& dataset, const EvalOptions& options) {
  if (session.card.class_names == dataset.class_names()) return;
  fail(ErrorKind::data, "'{}' tells {} classes apart ({}), but '{}' has {} ({}); give the photos that it was made for",
       options.session.weights, session.card.class_names.size(), fmt::join(session.card.class_names, ", "),
       options.data, dataset.class_names().size(), fmt::join(dataset.class_names(), ", "));
}

int run_eval(const EvalOptions& options, Console& console) {
  require_option(options.batch >= 1 && options.batch <= max_batch, "--batch", "1 to 65536 photos", options.batch);
  parse_choice(options.part, "--part", {"train", "val", "test", "all"});
  const bool skip = parse_choice(options.bad_images, "--bad-images", {"stop", "skip"}) == 1;
  SessionOptions wanted = options.session;
  wanted.wish = HeadWish::as_weights;
  Session session = open_session(wanted);
  const Dataset dataset = Dataset::open(
      options.data, {.bad = skip ? BadImages::skip : BadImages::stop, .threads = options.session.device.threads});
  require_same_classes(session, dataset, options);
  std::string split_text = options.split;
  if (split_text.empty()) split_text = session.card.split.empty() ? std::string(default_split) : session.card.split;
  const std::vector<int> images = images_of(options, dataset, split_text);

  for (Parameter& parameter : session.network->parameters.all()) parameter.set_frozen(true);
  DatasetImages source(dataset, {.size = session.network->size,
                                 .threads = options.session.device.threads,
                                 .on_device = photos_on(session.device.backend)});
  Trainer trainer(*session.network, session.context(), source, make_adam(),
                  {.batch = options.batch, .cache_prefix = false});
  ProgressLine progress(console);
  progress.begin("photos", static_cast<std::int64_t>(images.size()));
  trainer.on_progress = [&progress](const Progress& p) { progress.update(p.done); };
  const Evaluation evaluation = trainer.evaluate(images);
  progress.clear();

  std::vector<int> labels;
  labels.reserve(images.size());
  for (const int image : images) labels.push_back(source.label(image));
  const ConfusionMatrix matrix = confusion_matrix(labels, evaluation.predictions, dataset.class_count());
  const bool drawn = are_drawn(dataset.class_names());
  if (options.json) {
    print_json(console.out, {{"weights", options.session.weights},
                             {"model", session.network->id},
                             {"data", options.data},
                             {"part", options.part},
                             {"split", split_text},
                             {"images", evaluation.images},
                             {"skipped", dataset.skipped().size()},
                             {"loss", evaluation.loss},
                             {"accuracy", evaluation.accuracy},
                             {"class_names", dataset.class_names()},
                             {"confusion_matrix", matrix},
                             {"drawn_photos", drawn}});
    return 0;
  }
  if (drawn) console.out << bold(console, kDrawnNotice) << "\n";
  console.out << fmt::format("{} on the {} photos of {} ({}): accuracy {}, loss {:.4f}\n\n", session.network->id,
                             count_text(evaluation.images), options.data, options.part,
                             bold(console, percent_text(evaluation.accuracy)), evaluation.loss)
              << confusion_table(matrix, dataset.class_names());
  return 0;
}

}  // namespace

void add_eval(CLI::App& app, Action& action) {
  CLI::App* command = add_command(app, "eval", "Loss, accuracy and confusion matrix of a trained network on photos.",
                                  "thaw eval --weights runs/first/best.h5 --data flower_photos.tgz --part val");
  auto options = std::make_shared<EvalOptions>();
  add_model_options(command, options->session);
  command->add_option("--data", options->data, "a folder of class folders, or a .tgz of one")->required();
  command->add_option("--part", options->part, "train, val, test or all");
  command->add_option("--split", options->split, "slices of the photos; left out: those of the training");
  command->add_option("--batch", options->batch, "photos at a time");
  command->add_option("--bad-images", options->bad_images, "photos that cannot be decoded: stop or skip");
  add_device_options(command, options->session.device);
  add_json_option(command, options->json);
  set_action(command, options, action, run_eval);
}

}  // namespace thaw
