#include "app/grid_basis.h"

#include <fmt/format.h>

#include <algorithm>
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
  constexpr int side = 224;
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

/// As measured before; nothing where that was another device.
std::optional<microscope::Ceilings> known_roof(const nlohmann::json& before, const DeviceInfo& info, Dtype dtype) {
  try {
    const nlohmann::json now = describe(info);
    for (const auto& [key, value] : now.items()) {
      if (before.at(key) != value) return std::nullopt;
    }
    const nlohmann::json& roof = before.at("roofs").at(std::string(name_of(dtype)));
    return microscope::Ceilings{.gflops = roof.at("gflops").get<double>(), .gbs = roof.at("gbs").get<double>()};
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
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
  basis.roof = [this](const TrainSettings& s) { return roof(s); };
  return basis;
}

nlohmann::json GridBasis::machine(const TrainSettings& settings) {
  nlohmann::json machine = describe(device(settings).backend->info());
  for (const auto& [key, roof] : roofs_) {
    const std::string dtype(name_of(devices_.at(key).dtype));
    if (key.first == settings.device) machine["roofs"][dtype] = {{"gflops", roof.gflops}, {"gbs", roof.gbs}};
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
  const DeviceOptions options{.device = settings.device, .dtype = settings.dtype, .threads = settings.threads};
  return devices_.emplace(key, open_device(options)).first->second;
}

microscope::Ceilings GridBasis::roof(const TrainSettings& settings) {
  if (const auto given = given_roof(options_.roof)) return *given;
  const DeviceKey key(settings.device, settings.dtype);
  const auto found = roofs_.find(key);
  if (found != roofs_.end()) return found->second;
  const Device& on = device(settings);
  const DeviceInfo info = on.backend->info();
  const auto known = known_roof(before_, info, on.dtype);
  return roofs_.emplace(key, known ? *known : microscope::measure_ceilings(*on.backend, on.dtype, info.threads))
      .first->second;
}

}  // namespace thaw
