#include "microscope/row.h"

#include <algorithm>

namespace thaw::microscope {

namespace {

/// A case whose call changes its inputs (an optimizer) has no results that can be compared behind many runs.
bool changes_inputs(const Case& subject) {
  return std::any_of(subject.operands.begin(), subject.operands.end(),
                     [](const Operand& operand) { return operand.use == Operand::Use::inout; });
}

void time_row(Backend& backend, const Case& subject, Specimen& specimen, CacheFlush& flush,
              const MeasureOptions& options, Row& row) {
  const std::string before = specimen.digest();
  const std::function<void()> call = specimen.bind();
  row.cold = time_cold(backend, call, flush, options.rule);
  row.hot = time_hot(backend, call, options.rule);
  if (row.finding.agreement == Agreement::wrong) return;
  if (const auto violations = specimen.violations(); !violations.empty()) {
    row.finding.agreement = Agreement::wrong;
    row.finding.complaint = violations.front() + " while it was timed";
  } else if (!changes_inputs(subject) && specimen.digest() != before) {
    row.finding.deterministic = false;
    row.finding.complaint = "a run among the timed ones gave other bits";
  }
}

}  // namespace

Row measure(Backend& backend, const Request& request, CacheFlush& flush, const MeasureOptions& options) {
  Row row{.request = request};
  try {
    const Case subject = family(request.family).make(request.problem, request.direction);
    row.dtype = subject.dtype;
    row.flops = subject.flops;
    row.bytes = subject.bytes;
    Specimen specimen(backend, subject, options.seed);
    row.finding = check(subject, specimen, {.limit = options.check_limit, .seed = options.seed});
    time_row(backend, subject, specimen, flush, options, row);
  } catch (const Error& error) {
    row.error = error.what();
    row.error_kind = error.kind();
  }
  return row;
}

double share_of_roof(const Row& row, const Timing& timing, const Ceilings& roof) {
  return timing.seconds.median > 0 ? roof.least_seconds(row.flops, row.bytes) / timing.seconds.median : 0;
}

std::string bound_of(const Row& row, const Ceilings& roof) {
  if (roof.gbs <= 0 || (roof.gflops <= 0 && row.flops > 0)) return "-";
  return roof.bound_by_arithmetic(row.flops, row.bytes) ? "compute" : "memory";
}

}  // namespace thaw::microscope
