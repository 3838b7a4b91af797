#include <fmt/format.h>

#include <charconv>
#include <optional>

#include "app/commands.h"
#include "app/image_source.h"
#include "app/options.h"
#include "app/trace_compare.h"
#include "app/trace_run.h"
#include "kernels/error.h"
#include "kernels/files.h"
#include "models/selector.h"
#include "weights/synth.h"

namespace thaw {

namespace {

struct TraceOptions {
  SessionOptions session;
  std::vector<std::string> input;
  std::string csv, vars_csv, json;
  std::vector<std::string> compare;
  std::optional<double> rtol, late_rtol;
  double atol = 0;
  int steps = 0;
  double lr = 1e-4;
  std::string unfreeze = "all";
  std::string bn = "train";
  std::string keras_rescaling = "on";
  int classes = 5;
};

/// "synth:SIZExBATCH".
struct SynthInput {
  int size = 0, batch = 0;
};

std::optional<SynthInput> parse_synth(const std::vector<std::string>& input) {
  constexpr std::string_view prefix = "synth:";
  if (input.size() != 1 || !input.front().starts_with(prefix)) return std::nullopt;
  const std::string_view text = std::string_view(input.front()).substr(prefix.size());
  const char* end = text.data() + text.size();
  SynthInput synth;
  const auto [cross, error] = std::from_chars(text.data(), end, synth.size);
  if (error == std::errc() && cross != end && *cross == 'x') {
    const auto [stop, second] = std::from_chars(cross + 1, end, synth.batch);
    if (second == std::errc() && stop == end && synth.size >= 32 && synth.batch >= 1) return synth;
  }
  fail(ErrorKind::usage, "--input wants photos or synth:SIZExBATCH such as synth:64x8 (at least 32 pixels), not '{}'",
       input.front());
}

/// The pixels (N,S,S,3) RGB 0..255 that the trace is about.
Tensor input_of(const TraceOptions& options, const Session& session, const std::optional<SynthInput>& synth) {
  const std::int64_t side = session.network->size;
  std::vector<float> pixels;
  if (synth) {
    const std::vector<std::uint8_t> bytes =
        synthetic_input(static_cast<std::size_t>(synth->batch) * static_cast<std::size_t>(side * side * 3));
    pixels.assign(bytes.begin(), bytes.end());
  } else {
    const std::vector<std::filesystem::path> files(options.input.begin(), options.input.end());
    HostBatch batch;
    read_photos(files, session.network->size, options.session.device.threads, batch);
    pixels = std::move(batch.pixels);
  }
  const std::int64_t n = static_cast<std::int64_t>(pixels.size()) / (side * side * 3);
  return Tensor::from_host(session.device.backend, {n, side, side, 3}, session.context().master(),
                           std::span<const float>(pixels));
}

TraceTolerance tolerance_of(const TraceOptions& options, Dtype dtype) {
  TraceTolerance tolerance = TraceTolerance::of(dtype, options.lr * options.steps);
  tolerance.rtol = options.rtol.value_or(tolerance.rtol);
  tolerance.late_rtol = options.late_rtol.value_or(tolerance.late_rtol);
  tolerance.atol = options.atol;
  return tolerance;
}

int report(const TraceComparison& comparison, const std::string& golden, Console& console) {
  if (comparison.divergence) fail(ErrorKind::mismatch, "'{}': {}", golden, *comparison.divergence);
  console.out << fmt::format("{}: {} values agree", golden, comparison.compared);
  if (comparison.noise > 0) console.out << fmt::format(" ({} gradients are truly 0)", comparison.noise);
  console.out << fmt::format("; the worst uses {:.2g} of what is allowed: {}\n", comparison.worst, comparison.worst_at);
  return 0;
}

int compare_with(const std::string& golden, const TraceTable& layers, const TrainingTrace* training,
                 const TraceOptions& options, Dtype dtype, Console& console) {
  const TraceTolerance tolerance = tolerance_of(options, dtype);
  if (golden.ends_with(".json")) {
    if (training == nullptr) fail(ErrorKind::usage, "'{}' is a report of training steps: give --steps too", golden);
    const nlohmann::json read = nlohmann::json::parse(read_file(golden), nullptr, false);
    if (read.is_discarded()) fail(ErrorKind::data, "'{}' is no JSON file", golden);
    return report(compare_reports(training->report, read, tolerance), golden, console);
  }
  const TraceTable table = read_trace_csv(golden);
  if (table.kind == TraceKind::variables && training == nullptr) {
    fail(ErrorKind::usage, "'{}' is a trace of variables: give --steps too", golden);
  }
  const TraceTable& ours = table.kind == TraceKind::variables ? training->variables : layers;
  if (ours.rows.empty()) fail(ErrorKind::usage, "'{}' is a trace of layers: leave --steps out", golden);
  return report(compare_traces(ours, table, tolerance), golden, console);
}

void write_text(const std::string& path, const std::string& text, Console& console) {
  if (path.empty()) return;
  write_file_atomically(path, text);
  console.out << "wrote " << path << "\n";
}

TrainingTrace train(const TraceOptions& options, Session& session, const Tensor& pixels) {
  const Selection selection =
      select_layers(*session.network, options.unfreeze,
                    {.keras_rescaling = parse_switch(options.keras_rescaling, "--keras-rescaling")});
  apply_selection(*session.network, selection, parse_norm_mode(options.bn));
  std::vector<std::int32_t> labels(static_cast<std::size_t>(pixels.shape()[0]));
  for (std::size_t i = 0; i < labels.size(); ++i) {
    labels[i] = static_cast<std::int32_t>(i % static_cast<std::size_t>(options.classes));
  }
  TrainingTrace trace = trace_training(session, pixels, labels, {.steps = options.steps, .lr = options.lr});
  trace.report["unfreeze"] = options.unfreeze;
  trace.report["bn"] = options.bn;
  return trace;
}

void check(const TraceOptions& options) {
  require_option(options.steps >= 0, "--steps", "0 (forward only) or more", options.steps);
  require_option(options.lr > 0, "--lr", "a positive number", options.lr);
  require_option(options.classes >= 2, "--classes", "at least 2", options.classes);
  if (options.csv.empty() && options.vars_csv.empty() && options.json.empty() && options.compare.empty()) {
    fail(ErrorKind::usage, "give --csv, --vars-csv, --json or --compare: there is nothing to do with the trace");
  }
  if (options.steps == 0 && !(options.vars_csv.empty() && options.json.empty())) {
    fail(ErrorKind::usage, "--vars-csv and --json are of training steps: give --steps too");
  }
  if (options.steps > 0 && !options.csv.empty()) {
    fail(ErrorKind::usage, "--csv is of the layers' outputs: leave --steps out");
  }
  if (options.steps > 0 && options.session.head.include_top) {
    fail(ErrorKind::usage, "--steps trains a transfer head: leave --include-top out");
  }
}

int run_trace(const TraceOptions& options, Console& console) {
  check(options);
  const std::optional<SynthInput> synth = parse_synth(options.input);
  SessionOptions wanted = options.session;
  if (synth) wanted.size = synth->size;
  if (options.steps > 0) wanted.head.classes = options.classes;
  wanted.wish = options.steps > 0 || wanted.head.include_top ? HeadWish::as_given : HeadWish::none;
  Session session = open_session(wanted);
  const Tensor pixels = input_of(options, session, synth);
  TraceTable layers;
  std::optional<TrainingTrace> training;
  if (options.steps > 0) {
    training = train(options, session, pixels);
    write_text(options.vars_csv, to_csv(training->variables), console);
    write_text(options.json, training->report.dump(1) + "\n", console);
  } else {
    layers = trace_layers(session, pixels);
    write_text(options.csv, to_csv(layers), console);
  }
  for (const std::string& golden : options.compare) {
    compare_with(golden, layers, training ? &*training : nullptr, options, session.device.dtype, console);
  }
  return 0;
}

}  // namespace

void add_trace(CLI::App& app, Action& action) {
  CLI::App* command = add_command(
      app, "trace", "Figures of every layer, or of some training steps, to compare implementations by.",
      "thaw trace resnet50 --weights synth --input synth:64x2 --csv layers.csv --compare infer_resnet50_64_b2.csv\n"
      "  thaw trace mobilenet_v3_large --weights synth --input synth:64x8 --steps 3 --lr 1e-4 \\\n"
      "    --unfreeze layer:150 --vars-csv vars.csv --json steps.json --compare train_vars.csv\n"
      "  thaw trace resnet50 ... --device reference --dtype f64   # the oracle");
  auto options = std::make_shared<TraceOptions>();
  options->session.device.dtype = "f32";
  command->add_option("MODEL,--model", options->session.model, "resnet50, mobilenet_v3_large or mobilenet_v3_small")
      ->required();
  command->add_option("--weights", options->session.weights, "a .h5 file, none (random) or synth (deterministic)")
      ->required();
  command->add_option("--input", options->input, "photos, or synth:SIZExBATCH")->required();
  command->add_option("--size", options->session.size, "input size for photos; 0: as the weights say, else 224");
  command->add_flag("--include-top", options->session.head.include_top, "with Keras' ImageNet classifier");
  command->add_option("--csv", options->csv, "the file to write the layers to");
  command->add_option("--steps", options->steps, "steps of Adam on the input, whose labels are 0, 1, ... in turn");
  command->add_option("--lr", options->lr, "learning rate of the steps");
  command->add_option("--classes", options->classes, "of the head that is trained");
  command->add_option("--unfreeze", options->unfreeze, "what trains besides the head");
  command->add_option("--bn", options->bn, "unfrozen batch norms: train, inference or frozen-affine");
  command->add_option("--keras-rescaling", options->keras_rescaling,
                      "whether layer:N counts MobileNetV3's Rescaling layer: on or off");
  command->add_option("--vars-csv", options->vars_csv, "the file to write gradients and variables to");
  command->add_option("--json", options->json, "the file to write the steps' report to");
  command->add_option("--compare", options->compare, "golden files: layers .csv, variables .csv, report .json");
  command->add_option("--rtol", options->rtol, "relative tolerance; left out: by dtype");
  command->add_option("--late-rtol", options->late_rtol, "relative tolerance behind the first step");
  command->add_option("--atol", options->atol, "absolute tolerance on top");
  add_device_options(command, options->session.device);
  set_action(command, options, action, run_trace);
}

}  // namespace thaw
