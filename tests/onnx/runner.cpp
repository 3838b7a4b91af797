#include "tests/onnx/runner.h"

#include <exception>
#include <string_view>

namespace thaw::test {

std::vector<Device> usable_devices() {
  std::vector<Device> out;
  for (const DeviceInfo& device : devices()) {
    if (!device.usable) continue;
    const bool exact = make_backend(device.backend)->supports(Dtype::f64);
    out.push_back({device.backend, exact ? Dtype::f64 : Dtype::f32});
  }
  return out;
}

const std::vector<Judged>& judged_cases() {
  static const std::vector<Judged> all = [] {
    std::vector<Judged> out;
    for (const Case& c : find_cases()) {
      try {
        out.push_back({c, judge(c)});
      } catch (const std::exception&) {
        out.push_back({c, {.op = "(broken)"}});
      }
    }
    return out;
  }();
  return all;
}

std::optional<Comparison> run_and_compare(const Device& device, const Case& c) {
  Context ctx;
  ctx.backend = make_backend(device.name, {.poison = true});
  ctx.dtype = device.dtype;
  try {
    const std::vector<Array> found = run_case(ctx, c);
    std::vector<Array> published;
    for (std::size_t i = 0; i < found.size(); ++i) published.push_back(data_of(c, "output", i));
    return compare(published, found, tolerance_of(device.dtype));
  } catch (const std::exception& error) {
    const bool complete = device.name == "cpu" || device.name == "reference";
    if (!complete && std::string_view(error.what()).find("does not offer") != std::string_view::npos) return {};
    return Comparison{.difference = error.what()};
  }
}

}  // namespace thaw::test
