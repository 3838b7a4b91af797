#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tests/onnx/case.h"
#include "tests/onnx/compare.h"

namespace thaw::test {

/// A device that can be used, with its most exact type.
struct Device {
  std::string name;
  Dtype dtype = Dtype::f32;
};
std::vector<Device> usable_devices();

struct Judged {
  Case published;
  Verdict verdict;

  [[nodiscard]] bool runs_in(Dtype dtype) const {
    return verdict.kind == Verdict::Kind::runs && (dtype == Dtype::f64 || !verdict.beyond_f32);
  }
};
/// Every published case; one that cannot be read counts as one to run, so that its test says what is wrong.
const std::vector<Judged>& judged_cases();

/// Runs a case and compares its outputs with the published ones. Nothing where a backend other than cpu and reference
/// does not offer a call of the case.
std::optional<Comparison> run_and_compare(const Device& device, const Case& c);

}  // namespace thaw::test
