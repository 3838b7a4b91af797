#include "microscope/check.h"

#include <algorithm>
#include <cmath>

#include "kernels/error.h"
#include "kernels/reference/reference_backend.h"

namespace thaw::microscope {

namespace {

/// One position may cost the oracle this many times its limit; beyond that the case is left unchecked.
constexpr double kPatience = 20;

/// |found - expected| <= absolute * rms(expected) + relative * |expected|: the root mean square stands for the size of
/// the terms that were added, so that a cancellation is judged by them.
struct Tolerance {
  double absolute = 0;
  double relative = 0;
};

Tolerance tolerance_of(Dtype result, const Case& subject) {
  if (result == Dtype::i32 || result == Dtype::u8) return {};
  if (result == Dtype::f64) return {1e-12, 1e-12};
  // Rounding to 8 bits costs 2^-9, and a fused call may round the pre-activation as well as its result.
  if (result == Dtype::bf16) return {0x1p-8, 0x1p-8};
  // Errors of a long f32 sum grow as a random walk.
  const double walk = 0x1p-23 * std::sqrt(subject.depth);
  return {(subject.dtype == Dtype::bf16 ? 5e-5 : 1e-5) + walk, 1e-5};
}

bool agree(double expected, double found, const Tolerance& tolerance, double size) {
  if (std::isnan(expected) || std::isnan(found)) return std::isnan(expected) && std::isnan(found);
  return expected == found ||
         std::abs(expected - found) <= tolerance.absolute * size + tolerance.relative * std::abs(expected);
}

double root_mean_square(const HostArray& values) {
  double sum = 0;
  double count = 1e-9;
  for (std::int64_t i = 0; i < values.count(); ++i) {
    const double value = values.at(i);
    if (!std::isfinite(value)) continue;
    sum += value * value;
    count += 1;
  }
  return std::sqrt(sum / count);
}

/// Compares one result and returns the first complaint; `exact` is cleared where any element differs at all.
std::string compare(const Operand& operand, const Case& subject, const HostArray& expected, const HostArray& found,
                    bool exactly, bool& exact) {
  const Tolerance tolerance = exactly ? Tolerance{} : tolerance_of(operand.precision, subject);
  // Operands are about 1: results that cancel to less than a tenth are judged as a tenth.
  const double size = std::max(root_mean_square(expected), 0.1);
  HostArray rounded(operand.precision, 1);
  std::int64_t wrong = 0;
  std::string first;
  for (std::int64_t i = 0; i < expected.count(); ++i) {
    rounded.set(0, expected.at(i));
    const bool same = agree(rounded.at(0), found.at(i), {}, size);
    exact = exact && same;
    if (same || agree(expected.at(i), found.at(i), tolerance, size)) continue;
    if (++wrong == 1) {
      first = fmt::format("'{}'[{}] is {}, expected {}", operand.name, i, found.at(i),
                          exactly ? rounded.at(0) : expected.at(i));
    }
  }
  return wrong == 0 ? "" : fmt::format("{} ({} of {} elements differ)", first, wrong, expected.count());
}

/// Every operand of the oracle's run: f64 for f32 and bf16, others as they are.
HostArray for_oracle(const HostArray& part) {
  if (part.dtype() == Dtype::i32 || part.dtype() == Dtype::u8 || part.dtype() == Dtype::f64) return part;
  HostArray wide(Dtype::f64, part.count());
  const std::int64_t count = part.count();
#pragma omp parallel for schedule(static)
  for (std::int64_t i = 0; i < count; ++i) wide.set(i, part.at(i));
  return wide;
}

bool is_floating(Dtype dtype) { return dtype == Dtype::f32 || dtype == Dtype::bf16 || dtype == Dtype::f64; }

/// The oracle's results of a part of the case, in the order of its operands; inputs as they went in.
std::vector<HostArray> ask_oracle(const Case& subject, const Specimen& specimen,
                                  const std::vector<std::int64_t>& part) {
  ReferenceBackend oracle;
  std::vector<HostArray> arrays;
  Arguments arguments{
      .backend = oracle, .dtype = Dtype::f64, .extent = static_cast<std::int64_t>(part.size()), .at = {}};
  for (std::size_t i = 0; i < subject.operands.size(); ++i) {
    const Operand& operand = subject.operands[i];
    if (operand.use == Operand::Use::output) {
      const std::int64_t extent = operand.cut ? arguments.extent : operand.extent;
      arrays.emplace_back(is_floating(operand.dtype) ? Dtype::f64 : operand.dtype,
                          operand.outer * extent * operand.inner);
    } else {
      arrays.push_back(for_oracle(part_of(specimen.drawn(i), operand, part)));
    }
  }
  for (HostArray& array : arrays) arguments.at.push_back(array.bytes().data());
  subject.bind(arguments)();
  return arrays;
}

/// One run on the device, compared with the oracle.
void compare_run(const Case& subject, Specimen& specimen, const std::vector<std::int64_t>& part, bool exactly,
                 Finding& finding) {
  specimen.bind()();
  bool exact = true;
  std::string complaint;
  for (const std::string& violation : specimen.violations()) {
    if (complaint.empty()) complaint = violation;
  }
  if (!part.empty()) {
    const std::vector<HostArray> expected = ask_oracle(subject, specimen, part);
    for (std::size_t i = 0; i < expected.size() && complaint.empty(); ++i) {
      const Operand& operand = subject.operands[i];
      if (operand.use == Operand::Use::input) continue;
      complaint = compare(operand, subject, expected[i], part_of(specimen.now(i), operand, part), exactly, exact);
    }
    if (finding.agreement != Agreement::wrong) finding.agreement = exact ? Agreement::exact : Agreement::close;
  }
  if (complaint.empty()) return;
  finding.agreement = Agreement::wrong;
  if (finding.complaint.empty()) finding.complaint = complaint;
}

/// The positions that the oracle's limit pays for; none where one alone is far beyond it.
std::vector<std::int64_t> affordable(const Case& subject, const CheckOptions& options) {
  const double each = subject.work / static_cast<double>(subject.extent);
  if (each > kPatience * options.limit) return {};
  const double wanted = std::min(options.limit / std::max(each, 1e-9), static_cast<double>(subject.extent));
  return positions(subject.extent, static_cast<std::int64_t>(wanted), options.seed);
}

}  // namespace

std::string_view name_of(Agreement agreement) {
  switch (agreement) {
    case Agreement::exact: return "exact";
    case Agreement::close: return "close";
    case Agreement::wrong: return "WRONG";
    case Agreement::unchecked: return "unchecked";
  }
  return "?";
}

Finding check(const Case& subject, Specimen& specimen, const CheckOptions& options) {
  Finding finding;
  const std::vector<std::int64_t> part = affordable(subject, options);
  const auto taken = static_cast<std::int64_t>(part.size());
  finding.part = taken == 0                ? "none"
                 : taken == subject.extent ? "all"
                                           : fmt::format("{} of {} {}", taken, subject.extent, subject.axis);
  const bool linear = subject.exactness == Exactness::integers || subject.exactness == Exactness::rounded;
  if (linear) {
    specimen.fill(Fill::integers);
    compare_run(subject, specimen, part, subject.exactness == Exactness::integers, finding);
  }
  const Agreement on_integers = finding.agreement;
  specimen.fill(Fill::reals);
  compare_run(subject, specimen, part, subject.exactness == Exactness::always, finding);
  if (linear && finding.agreement != Agreement::wrong) finding.agreement = on_integers;

  const std::string first = specimen.digest();
  specimen.reset();
  specimen.bind()();
  finding.deterministic = specimen.digest() == first;
  if (!finding.deterministic && finding.complaint.empty()) {
    finding.complaint = "two runs on the same inputs differ in their bits";
  }
  return finding;
}

}  // namespace thaw::microscope
