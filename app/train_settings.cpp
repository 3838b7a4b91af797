#include "app/train_settings.h"

#include <cmath>
#include <concepts>
#include <tuple>
#include <type_traits>

#include "app/options.h"
#include "app/whole_number.h"
#include "framework/optimizer.h"

namespace thaw {

namespace {

/// Names and members, for both directions of the conversion.
constexpr auto kFields = std::make_tuple(
    std::pair("model", &TrainSettings::model), std::pair("weights", &TrainSettings::weights),
    std::pair("data", &TrainSettings::data), std::pair("split", &TrainSettings::split),
    std::pair("unfreeze", &TrainSettings::unfreeze), std::pair("bn", &TrainSettings::bn),
    std::pair("keras_rescaling", &TrainSettings::keras_rescaling), std::pair("epochs", &TrainSettings::epochs),
    std::pair("batch", &TrainSettings::batch), std::pair("lr", &TrainSettings::lr),
    std::pair("schedule", &TrainSettings::schedule), std::pair("warmup_steps", &TrainSettings::warmup_steps),
    std::pair("optimizer", &TrainSettings::optimizer), std::pair("dropout", &TrainSettings::dropout),
    std::pair("head", &TrainSettings::head), std::pair("size", &TrainSettings::size),
    std::pair("dtype", &TrainSettings::dtype), std::pair("device", &TrainSettings::device),
    std::pair("tf32", &TrainSettings::tf32), std::pair("fast", &TrainSettings::fast),
    std::pair("autotune", &TrainSettings::autotune), std::pair("seed", &TrainSettings::seed),
    std::pair("threads", &TrainSettings::threads), std::pair("flip", &TrainSettings::flip),
    std::pair("crop", &TrainSettings::crop), std::pair("bad_images", &TrainSettings::bad_images),
    std::pair("no_cache", &TrainSettings::no_cache), std::pair("cache_limit", &TrainSettings::cache_limit),
    std::pair("image_cache", &TrainSettings::image_cache), std::pair("early_stop", &TrainSettings::early_stop),
    std::pair("train_eval", &TrainSettings::train_eval),
    std::pair("checkpoint_steps", &TrainSettings::checkpoint_steps));

template <class Use>
void for_each_field(const Use& use) {
  std::apply([&use](const auto&... field) { (use(field.first, field.second), ...); }, kFields);
}

void add_input_options(CLI::App* command, TrainSettings& s) {
  command->add_option("--model", s.model,
                      "resnet50, mobilenet_v3_large or mobilenet_v3_small; may be left out where the weights say it");
  command->add_option("--weights", s.weights, "a Keras or thaw .h5 file, none (random) or synth (deterministic)");
  command->add_option("--data", s.data, "a folder of class folders, or a .tgz of one");
  command->add_option("--split", s.split, "slices of the photos, as TensorFlow Datasets counts them");
  command->add_option("--size", s.size, "height and width of the input in pixels; 0: as the weights say, else 224");
  command->add_option("--bad-images", s.bad_images, "photos that cannot be decoded: stop, or skip and count them");
  command->add_flag("--flip", s.flip, "mirror training photos at random");
  command->add_flag("--crop", s.crop, "crop training photos at random to 87.5-100 % of their area");
}

void add_method_options(CLI::App* command, TrainSettings& s) {
  command->add_option("--unfreeze", s.unfreeze,
                      "what trains besides the head: none, all, blocks:N, layer:N, glob:PATTERN, joined with '+'");
  command->add_option("--bn", s.bn,
                      "unfrozen batch norms: train (batch statistics), inference (running statistics, gamma and beta "
                      "train) or frozen-affine (nothing of them trains)");
  command->add_option("--keras-rescaling", s.keras_rescaling,
                      "whether layer:N counts MobileNetV3's Rescaling layer: on or off");
  command->add_option("--head", s.head, "hidden dense layers in front of the classifier: none, or widths: 512,256");
  command->add_option("--dropout", s.dropout, "dropout rate in the head");
  command->add_option("--epochs", s.epochs, "epochs in total");
  command->add_option("--batch", s.batch, "photos a step");
  command->add_option("--lr", s.lr, "learning rate (behind the warm-up)");
  command->add_option("--schedule", s.schedule, "constant, or cosine (down to 0)");
  command->add_option("--warmup-steps", s.warmup_steps, "steps over which the learning rate rises to --lr");
  command->add_option("--optimizer", s.optimizer, "adam (Keras' form) or sgd (momentum 0.9)");
  command->add_option("--early-stop", s.early_stop,
                      "stop after so many epochs without a better validation accuracy; 0: never");
  command->add_option("--train-eval", s.train_eval,
                      "accuracy over the training photos in inference mode: each epoch, last, or off");
  command->add_option("--checkpoint-steps", s.checkpoint_steps,
                      "save the run's state after so many steps as well as after each epoch; 0: only then");
  command->add_option("--seed", s.seed, "of everything random; the same seed gives the same bits")
      ->check(CLI::Validator(not_negative, ""));
}

void add_machine_options(CLI::App* command, TrainSettings& s) {
  command->add_option("--device", s.device, "auto (the best there is), cpu, cuda or reference");
  command->add_option("--dtype", s.dtype, "of activations: f32, bf16 or auto (what the device is best at)");
  command->add_option("--threads", s.threads, "processor threads; 0: all");
  add_gpu_options(command, s);
  command->add_flag("--no-cache", s.no_cache, "compute the frozen part of the network again in every epoch");
  command->add_option("--cache-limit", s.cache_limit, "memory for the frozen part's output; more goes to a file");
  command->add_option("--image-cache", s.image_cache, "memory for decoded photos");
}

}  // namespace

void add_training_options(CLI::App* command, TrainSettings& settings) {
  add_input_options(command, settings);
  add_method_options(command, settings);
  add_machine_options(command, settings);
}

void TrainSettings::check() const {
  require_option(epochs >= 1, "--epochs", "at least 1", epochs);
  require_option(batch >= 1, "--batch", "at least 1 photo", batch);
  require_option(batch <= max_batch, "--batch", "at most 65536 photos", batch);
  require_option(lr > 0 && std::isfinite(lr), "--lr", "a positive number", lr);
  require_option(warmup_steps >= 0, "--warmup-steps", "0 or more", warmup_steps);
  require_option(dropout >= 0 && dropout < 1, "--dropout", "a rate in [0, 1)", dropout);
  require_option(size == 0 || size >= 32, "--size", "at least 32 pixels (or 0)", size);
  require_option(size <= max_size, "--size", "at most 4096 pixels", size);
  require_option(early_stop >= 0, "--early-stop", "0 (never) or more epochs", early_stop);
  require_option(checkpoint_steps >= 0, "--checkpoint-steps", "0 (each epoch) or more", checkpoint_steps);
  require_option(threads >= 0 && threads <= max_threads, "--threads", "0 (all) to 1024", threads);
  parse_choice(dtype, "--dtype", {"auto", "f32", "bf16"});  // checkpoints keep f32
  parse_choice(bn, "--bn", {"train", "inference", "frozen-affine"});
  parse_choice(schedule, "--schedule", {"constant", "cosine"});
  parse_choice(optimizer, "--optimizer", {"adam", "sgd"});
  parse_choice(bad_images, "--bad-images", {"stop", "skip"});
  parse_choice(train_eval, "--train-eval", {"each", "last", "off"});
  parse_switch(keras_rescaling, "--keras-rescaling");
  parse_widths(head, "--head");
  parse_bytes(cache_limit, "--cache-limit");
  parse_bytes(image_cache, "--image-cache");
  SplitSpec::parse(split);
}

Schedule TrainSettings::learning_rates(std::int64_t steps_per_epoch) const {
  return {.kind = parse_schedule(schedule),
          .base = lr,
          .warmup_steps = warmup_steps,
          .total_steps = steps_per_epoch * epochs};
}

nlohmann::json to_json(const TrainSettings& settings) {
  nlohmann::json json;
  for_each_field([&](const char* name, auto member) { json[name] = settings.*member; });
  return json;
}

TrainSettings train_settings_from(const nlohmann::json& json) {
  TrainSettings settings;
  for_each_field([&](const char* name, auto member) {
    auto& field = settings.*member;
    using Field = std::remove_reference_t<decltype(field)>;
    if constexpr (std::integral<Field> && !std::same_as<Field, bool>) {
      field = whole_number<Field>(json.at(name));
    } else if constexpr (std::same_as<Field, bool>) {
      field = json.value(name, field);  // a run of an older version has fewer flags
    } else {
      json.at(name).get_to(field);
    }
  });
  return settings;
}

const std::vector<std::string>& machine_settings() {
  static const std::vector<std::string> names = {"threads", "no_cache", "cache_limit", "image_cache",
                                                 "checkpoint_steps"};
  return names;
}

nlohmann::json recipe_of(const TrainSettings& settings) {
  nlohmann::json json = to_json(settings);
  for (const std::string& name : machine_settings()) json.erase(name);
  for (const char* name : {"weights", "data", "train_eval"}) json.erase(name);
  return json;
}

TrainSettings moved_here(const TrainSettings& begun, const TrainSettings& here) {
  nlohmann::json json = to_json(begun);
  const nlohmann::json now = to_json(here);
  for (const std::string& name : machine_settings()) json[name] = now.at(name);
  for (const char* name : {"weights", "data"}) json[name] = now.at(name);
  return train_settings_from(json);
}

}  // namespace thaw
