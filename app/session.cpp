#include "app/session.h"

#include <algorithm>
#include <cmath>

#include "app/options.h"
#include "kernels/digest.h"
#include "kernels/error.h"
#include "models/weight_spec.h"
#include "weights/synth.h"

namespace thaw {

namespace {

constexpr int kDefaultSize = 224;

Dtype parse_dtype(const std::string& text, const DeviceInfo& info) {
  const std::vector<std::string> names = {"auto", "f32", "bf16", "f64"};
  switch (parse_choice(text, "--dtype", names)) {
    case 1: return Dtype::f32;
    case 2: return Dtype::bf16;
    case 3: return Dtype::f64;
    default: return info.best_dtype;
  }
}

/// The card of a file, or an empty one for weights that come from no file.
ModelCard card_of(const SessionOptions& options) {
  if (!is_weight_file(options.weights)) return {};
  if (!std::filesystem::exists(options.weights)) {
    fail(ErrorKind::data, "there is no weights file '{}'; give a .h5 file, none (random) or synth", options.weights);
  }
  return read_model_card(options.weights);
}

std::string model_of(const SessionOptions& options, const ModelCard& card) {
  if (options.model.empty() && card.model.empty()) {
    fail(ErrorKind::usage, "--model is needed, as '{}' does not say which network it belongs to", options.weights);
  }
  if (!options.model.empty() && !card.model.empty() && options.model != card.model) {
    const std::vector<std::string>& known = model_names();
    if (std::find(known.begin(), known.end(), options.model) != known.end()) {
      fail(ErrorKind::data, "'{}' holds weights of {}, not of {}; leave --model out or choose other weights",
           options.weights, card.model, options.model);
    }
  }
  return options.model.empty() ? card.model : options.model;
}

HeadOptions head_of(const SessionOptions& options, const ModelCard& card) {
  switch (options.wish) {
    case HeadWish::none: return {};
    case HeadWish::as_given: return options.head;
    case HeadWish::as_weights: break;
  }
  if (card.class_names.empty()) {
    fail(ErrorKind::usage, "'{}' has no classifier; give a file that `thaw train` wrote, such as RUN/last.h5",
         options.weights);
  }
  return card.head();
}

/// Whether the head in the file is meant for the same question.
bool same_head(const ModelCard& card, const SessionOptions& options, const HeadOptions& head) {
  if (head.include_top) return true;
  if (options.wish == HeadWish::as_weights) return true;
  return head.classes > 0 && card.class_names == options.class_names && card.hidden == head.hidden;
}

/// One such value would spoil every output, and the training would be blamed for it.
void require_finite(const WeightSet& set, const std::string& file) {
  for (const NamedTensor& tensor : set.tensors) {
    const auto bad = std::count_if(tensor.data.begin(), tensor.data.end(), [](float x) { return !std::isfinite(x); });
    if (bad == 0) continue;
    fail(ErrorKind::data, "'{}': {} of the {} values of '{}' are NaN or infinite; choose other weights", file, bad,
         tensor.data.size(), tensor.name);
  }
}

void load_file(Session& session, const SessionOptions& options, const HeadOptions& head, const ModelCard& card) {
  const WeightSet set = read_weights(options.weights, pretrained_spec(*session.network, head.include_top));
  require_finite(set, options.weights);
  session.head_loaded = same_head(card, options, head);
  load_weights(*session.network, set, session.head_loaded);
  session.notes = set.notes;
  session.weights_source = std::filesystem::path(options.weights).filename().string();
  session.weights_sha256 = sha256_file(options.weights);
}

/// What a GPU's options change of this session's results.
std::vector<std::string> device_notes(const DeviceOptions& options, const DeviceInfo& info) {
  std::vector<std::string> notes;
  if (info.backend != "cuda") {
    if (options.tf32 || options.fast || options.autotune)
      notes.push_back("--tf32, --fast and --autotune change nothing on " + info.backend);
    return notes;
  }
  if (options.tf32) notes.emplace_back("--tf32: products of f32 are taken with mantissas of 10 bits instead of 23");
  if (options.fast) {
    notes.emplace_back(
        "--fast: convolutions may add up in another order each time and use large Winograd tiles: two runs may differ");
  }
  return notes;
}

}  // namespace

bool is_weight_file(const std::string& text) { return text != "none" && text != "synth"; }

ModelSpec pretrained_spec(const Network& network, bool include_top) {
  return weight_spec(network, include_top ? WeightPart::all : WeightPart::base);
}

Device open_device(const DeviceOptions& options) {
  require_option(options.threads >= 0 && options.threads <= max_threads, "--threads", "0 (all) to 1024",
                 options.threads);
  Device device;
  device.backend = make_backend(
      options.device,
      {.threads = options.threads, .tf32 = options.tf32, .fast = options.fast, .autotune = options.autotune});
  const DeviceInfo info = device.backend->info();
  device.dtype = parse_dtype(options.dtype, info);
  if (!device.backend->supports(device.dtype)) {
    fail(ErrorKind::device, "the device {} ({}) does not compute in {}; use --dtype {} or another --device",
         info.backend, info.name, name_of(device.dtype), name_of(info.best_dtype));
  }
  return device;
}

Context Session::context() const {
  Context ctx;
  ctx.backend = device.backend;
  ctx.dtype = device.dtype;
  return ctx;
}

Session open_session(const SessionOptions& options) {
  require_option(options.size <= max_size, "--size", "at most 4096 pixels", options.size);
  const ModelCard found = card_of(options);
  const std::string model = model_of(options, found);
  const HeadOptions head = head_of(options, found);
  Session session;
  session.device = options.opened ? *options.opened : open_device(options.device);
  const int from_file = found.size > 0 ? found.size : kDefaultSize;
  const int size = options.size != 0 ? options.size : from_file;
  session.network =
      build_model(model, session.device.backend,
                  {.size = size, .head = head, .seed = options.seed, .master = master_dtype(session.device.dtype)});
  session.card = options.wish == HeadWish::as_weights ? found : ModelCard{};
  session.card.model = session.network->id;
  session.card.size = size;
  if (options.wish == HeadWish::as_given) {
    session.card.hidden = head.hidden;
    session.card.dropout = head.dropout;
    session.card.class_names = options.class_names;
  }
  if (options.weights == "synth") {
    session.weights_source = "synth";
    load_weights(*session.network, synthetic_weights(weight_spec(*session.network, WeightPart::all)), true);
  } else if (is_weight_file(options.weights)) {
    load_file(session, options, head, found);
  } else {
    session.weights_source = "none";
  }
  for (std::string& note : device_notes(options.device, session.device.backend->info())) {
    session.notes.push_back(std::move(note));
  }
  return session;
}

}  // namespace thaw
