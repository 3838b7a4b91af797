#include "app/grid_basis.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "app/bench_options.h"
#include "data/parallel.h"
#include "data/split.h"
#include "kernels/error.h"
#include "kernels/files.h"

namespace thaw {

namespace {

/// Seconds that reading, decoding and resizing a photo takes on all threads; bad photos are another step's business.
double decode_seconds(const Dataset& dataset, int threads) {
  constexpr int side = kStandardSize;
  constexpr std::size_t photo = std::size_t{side} * side * 3;
  const int count = std::min(64, dataset.size());
  std::vector<float> pixels(static_cast<std::size_t>(count) * photo);
  const auto start = std::chrono::steady_clock::now();
  parallel_for(count, threads, [&](int i) {
    try {
      resize_bilinear(dataset.load(i), side, side, pixels.data() + static_cast<std::size_t>(i) * photo);
    } catch (const Error&) {
      return;
    }
  });
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / std::max(count, 1);
}

nlohmann::json describe(const DeviceInfo& info) {
  return {{"device", info.backend}, {"name", info.name}, {"threads", info.threads}};
}

/// What was measured before under two names; null where that was another device.
nlohmann::json known(const nlohmann::json& before, const DeviceInfo& info, const char* what, const std::string& which) {
  const nlohmann::json now = describe(info);
  for (const auto& [key, value] : now.items()) {
    if (!before.is_object() || before.value(key, nlohmann::json()) != value) return nullptr;
  }
  return before.value(what, nlohmann::json::object()).value(which, nlohmann::json());
}

/// Numbers of an object, or nothing where they are not all there.
template <class... Names>
std::optional<std::array<double, sizeof...(Names)>> numbers_of(const nlohmann::json& object, Names... names) {
  try {
    return std::array{object.at(names).template get<double>()...};
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

DeviceOptions options_of(const TrainSettings& settings) {
  return {.device = settings.device, .dtype = settings.dtype, .threads = settings.threads};
}

microscope::NetOptions net_of(const TrainSettings& settings, Dtype dtype) {
  return {.model = settings.model,
          .unfreeze = settings.unfreeze,
          .bn = settings.bn,
          .batch = settings.batch,
          .size = input_size_of(settings),
          .dtype = dtype};
}

std::string name_of_network(const microscope::NetOptions& net) {
  return fmt::format("{} size {} batch {} {} {}, norms {}", net.model, net.size, net.batch, name_of(net.dtype),
                     net.unfreeze, net.bn);
}

CeilingShares shares_of(const TrainingCost& cost, const microscope::Pace& pace) {
  // Whatever the measurement was disturbed by, no prediction becomes absurd.
  const auto share = [](double least, double real) { return std::clamp(least / real, 0.02, 4.0); };
  const double prefix = cost.prefix_from(0);
  CeilingShares shares;
  shares.forward = share(prefix + cost.evaluate_seconds, pace.evaluate);
  const double step = pace.step - prefix / shares.forward;
  // What trains next to nothing cannot be told from what lies before it.
  const bool visible = cost.step_seconds > 0.1 * prefix && step > 0;
  shares.step = visible ? share(cost.step_seconds, step) : shares.forward;
  return shares;
}

}  // namespace

GridBasis::GridBasis(GridBasisOptions options, SharedInputs& shared) : options_(std::move(options)), shared_(shared) {
  try {
    before_ = nlohmann::json::parse(read_file(std::filesystem::path(options_.out) / "grid.json")).at("machine");
  } catch (const std::exception&) {
    before_ = nullptr;  // no earlier run
  }
}

PlanBasis GridBasis::get(const TrainSettings& first) {
  PlanBasis basis;
  basis.decode_seconds = decode_seconds(dataset(first), options_.threads);
  basis.photos = [this](const TrainSettings& s) { return photos(s); };
  basis.dtype = [this](const TrainSettings& s) { return device(s).dtype; };
  basis.on_cuda = [this](const TrainSettings& s) { return device(s).backend->name() == "cuda"; };
  basis.roof = [this](const TrainSettings& s) { return roof(s); };
  basis.shares = [this](const TrainSettings& s, const TrainingCost& cost) { return shares(s, cost); };
  return basis;
}

nlohmann::json GridBasis::machine(const TrainSettings& settings) {
  nlohmann::json machine = describe(device(settings).backend->info());
  for (const auto& [key, roof] : roofs_) {
    const std::string dtype(name_of(devices_.at(key).dtype));
    if (key.first == settings.device) machine["roofs"][dtype] = {{"gflops", roof.gflops}, {"gbs", roof.gbs}};
  }
  for (const auto& [name, pace] : paces_) {
    machine["paces"][name] = {{"evaluate_seconds", pace.evaluate}, {"step_seconds", pace.step}};
  }
  return machine;
}

Dataset GridBasis::dataset(const TrainSettings& settings) {
  const BadImages bad = settings.bad_images == "skip" ? BadImages::skip : BadImages::stop;
  return shared_.dataset(options_.data, {.bad = bad, .threads = options_.threads});
}

PlanBasis::Photos GridBasis::photos(const TrainSettings& settings) {
  const Dataset all = dataset(settings);
  const Split split = split_dataset(all, settings.split);
  return {.all = all.size(),
          .train = static_cast<int>(split.train.size()),
          .val = static_cast<int>(split.val.size()),
          .test = static_cast<int>(split.test.size()),
          .classes = all.class_count()};
}

const Device& GridBasis::device(const TrainSettings& settings) {
  const DeviceKey key(settings.device, settings.dtype);
  const auto found = devices_.find(key);
  if (found != devices_.end()) return found->second;
  return devices_.emplace(key, open_device(options_of(settings))).first->second;
}

microscope::Ceilings GridBasis::roof(const TrainSettings& settings) {
  if (const auto given = given_roof(options_.roof)) return *given;
  const DeviceKey key(settings.device, settings.dtype);
  const auto found = roofs_.find(key);
  if (found != roofs_.end()) return found->second;
  const Device& on = device(settings);
  const DeviceInfo info = on.backend->info();
  const auto before = numbers_of(known(before_, info, "roofs", std::string(name_of(on.dtype))), "gflops", "gbs");
  return roofs_
      .emplace(key, before ? microscope::Ceilings{.gflops = before->at(0), .gbs = before->at(1)}
                           : microscope::measure_ceilings(*on.backend, on.dtype, info.threads))
      .first->second;
}

CeilingShares GridBasis::shares(const TrainSettings& settings, const TrainingCost& cost) {
  // On another machine nothing can be measured, and a device that replays its steps does not show their pace in two.
  if (!options_.roof.empty() || device(settings).backend->can_record()) return {};
  const microscope::NetOptions net = net_of(settings, device(settings).dtype);
  const std::string name = name_of_network(net);
  if (!paces_.contains(name)) {
    const auto before =
        numbers_of(known(before_, device(settings).backend->info(), "paces", name), "evaluate_seconds", "step_seconds");
    // A device of its own: what the steps take of memory goes back with it.
    paces_[name] = before ? microscope::Pace{.evaluate = before->at(0), .step = before->at(1)}
                          : microscope::quick_pace(open_device(options_of(settings)).backend, net);
  }
  return shares_of(cost, paces_.at(name));
}

}  // namespace thaw
