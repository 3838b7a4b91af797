#include <fmt/format.h>

#include "app/commands.h"
#include "app/options.h"
#include "app/session.h"
#include "kernels/error.h"
#include "models/weight_spec.h"
#include "models/zoo.h"
#include "weights/inspect.h"
#include "weights/keras_h5.h"
#include "weights/synth.h"
#include "weights/thaw_h5.h"

namespace thaw {

namespace {

struct WeightsOptions {
  std::string file;
  std::string out;
  std::string model;
  bool include_top = false;
  bool keras = false;
  bool json = false;
  int classes = 0;
};

/// The network that a file is for, built only for its table of layers.
std::unique_ptr<Network> network_of(const WeightsOptions& options, const std::string& model) {
  return build_model(model, make_backend("reference", {.threads = 1}),
                     {.head = {.include_top = options.include_top, .classes = options.classes}});
}

std::string model_of(const WeightsOptions& options) {
  if (!options.model.empty()) return options.model;
  if (!std::filesystem::exists(options.file)) fail(ErrorKind::data, "there is no weights file '{}'", options.file);
  const std::string model = read_model_card(options.file).model;
  if (model.empty()) {
    fail(ErrorKind::usage, "--model is needed, as '{}' does not say which network it belongs to", options.file);
  }
  return model;
}

/// Every layer of `model.layers`, which a Keras file lists, those without weights too.
std::vector<std::string> keras_layer_names(const Network& network, bool include_top) {
  std::vector<std::string> names;
  for (const LayerInfo& row : network.layers.rows()) {
    if (include_top || !row.head) names.push_back(row.name);
  }
  return names;
}

void print_notes(const std::vector<std::string>& notes, Console& console) {
  for (const std::string& note : notes) console.err << "thaw: note: " << note << "\n";
}

int run_convert(const WeightsOptions& options, Console& console) {
  const auto network = network_of(options, model_of(options));
  Metadata metadata;
  const WeightSet set = read_weights(options.file, pretrained_spec(*network, options.include_top), &metadata);
  print_notes(set.notes, console);
  write_thaw_h5(options.out, set, metadata);
  console.out << fmt::format("wrote {} tensors of {} to {}\n", set.tensors.size(), network->id, options.out);
  return 0;
}

int run_export(const WeightsOptions& options, Console& console) {
  const auto network = network_of(options, model_of(options));
  const WeightSet set = read_weights(options.file, pretrained_spec(*network, options.include_top));
  print_notes(set.notes, console);
  const std::vector<std::string> left_out =
      write_keras_h5(options.out, pretrained_spec(*network, options.include_top), set,
                     {.layer_names = keras_layer_names(*network, options.include_top)});
  if (!left_out.empty()) {
    console.err << fmt::format("thaw: note: {} tensors of the head have no place in keras.applications' file\n",
                               left_out.size());
  }
  console.out << fmt::format("wrote {} in Keras' layout to {}\n", network->id, options.out);
  return 0;
}

int run_inspect(const WeightsOptions& options, Console& console) {
  const nlohmann::json report = inspect(options.file);
  if (options.json) {
    print_json(console.out, report);
    return 0;
  }
  const auto text = [](const nlohmann::json& value) {
    return value.is_string() ? value.get<std::string>() : value.dump();
  };
  for (const auto& [key, value] : report.items()) {
    if (key != "tensors") console.out << fmt::format("{}: {}\n", key, text(value));
  }
  Table table({"layer", "tensor", "shape", ">min", ">max", ">mean", ">not finite"});
  for (const nlohmann::json& tensor : report.at("tensors")) {
    const auto number = [&tensor](const char* key) {
      return tensor.at(key).is_number() ? fmt::format("{:.5g}", tensor.at(key).get<double>()) : std::string("-");
    };
    table.add({text(tensor.at("layer")), text(tensor.at("name")), tensor.at("shape").dump(), number("min"),
               number("max"), number("mean"), text(tensor.at("nonfinite"))});
  }
  console.out << "\n" << table.text();
  return 0;
}

int run_verify(const WeightsOptions& options, Console& console) {
  const std::string model = model_of(options);
  const Verification verification =
      verify(options.file, pretrained_spec(*network_of(options, model), options.include_top));
  if (options.json) {
    print_json(console.out, verification.json());
  } else {
    console.out << fmt::format("{}: {} for {}\n", options.file, verification.ok() ? "good" : "NOT good", model);
    console.out << fmt::format("md5 {}\nsha256 {}\n", verification.md5, verification.sha256);
    for (const std::string& note : verification.notes) console.out << "note: " << note << "\n";
  }
  if (verification.ok()) return 0;
  for (const std::string& problem : verification.problems) console.err << "thaw: " << problem << "\n";
  return 3;
}

int run_synth(const WeightsOptions& options, Console& console) {
  const auto network = network_of(options, options.model);
  const WeightSet set = synthetic_weights(weight_spec(*network, WeightPart::all));
  if (options.keras) {
    write_keras_h5(options.out, pretrained_spec(*network, options.include_top), set,
                   {.layer_names = keras_layer_names(*network, options.include_top)});
  } else {
    write_thaw_h5(options.out, set);
  }
  console.out << fmt::format("wrote deterministic values for {} to {}; they recognise nothing\n", network->id,
                             options.out);
  return 0;
}

void add_file(CLI::App* command, WeightsOptions& options, const char* what) {
  command->add_option("FILE", options.file, what)->required();
  command->add_option("--model", options.model,
                      "resnet50, mobilenet_v3_large or mobilenet_v3_small; may be left out where the file says it");
  command->add_flag("--include-top", options.include_top, "the file has Keras' ImageNet classifier too");
}

}  // namespace

void add_weights(CLI::App& app, Action& action) {
  CLI::App* weights = add_command(app, "weights", "Convert, inspect, verify, export and make weight files.",
                                  "thaw weights inspect w.h5");
  weights->require_subcommand(1);

  auto options = std::make_shared<WeightsOptions>();
  CLI::App* convert = add_command(*weights, "convert", "Write a Keras .h5 file in thaw's own layout.",
                                  "thaw weights convert mobilenet_v3_small_imagenet_notop.h5 --model "
                                  "mobilenet_v3_small \\\n    --out small.h5");
  add_file(convert, *options, "a Keras or thaw .h5 file");
  convert->add_option("--out", options->out, "the file to write")->required();
  set_action(convert, options, action, run_convert);

  options = std::make_shared<WeightsOptions>();
  CLI::App* look = add_command(*weights, "inspect", "What a weight file of either layout holds.",
                               "thaw weights inspect runs/first/best.h5 --json");
  look->add_option("FILE", options->file, "a Keras or thaw .h5 file")->required();
  add_json_option(look, options->json);
  set_action(look, options, action, run_inspect);

  options = std::make_shared<WeightsOptions>();
  CLI::App* check = add_command(*weights, "verify", "Whether a weight file is sound and fits a network.",
                                "thaw weights verify resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5 "
                                "--model resnet50");
  add_file(check, *options, "a Keras or thaw .h5 file");
  add_json_option(check, options->json);
  set_action(check, options, action, run_verify);

  options = std::make_shared<WeightsOptions>();
  CLI::App* back = add_command(*weights, "export", "Write weights as a .h5 file that keras.applications loads.",
                               "thaw weights export runs/first/best.h5 --out for_keras.h5");
  add_file(back, *options, "a thaw (or Keras) .h5 file");
  back->add_option("--out", options->out, "the file to write")->required();
  set_action(back, options, action, run_export);

  options = std::make_shared<WeightsOptions>();
  CLI::App* synth = add_command(*weights, "synth", "Write deterministic values, for comparing implementations.",
                                "thaw weights synth mobilenet_v3_large --classes 5 --out synth.h5");
  synth->add_option("MODEL,--model", options->model, "resnet50, mobilenet_v3_large or mobilenet_v3_small")->required();
  synth->add_option("--out", options->out, "the file to write")->required();
  synth->add_option("--classes", options->classes, "of a transfer head; 0: none");
  synth->add_flag("--include-top", options->include_top, "with Keras' ImageNet classifier");
  synth->add_flag("--keras", options->keras, "in Keras' layout instead of thaw's");
  set_action(synth, options, action, run_synth);
}

}  // namespace thaw
