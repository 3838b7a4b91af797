#include "microscope/row.h"

#include <algorithm>

#include "microscope/ways.h"

namespace thaw::microscope {

namespace {

/// A case whose call changes its inputs (an optimizer) has no results that can be compared behind many runs.
bool changes_inputs(const Case& subject) {
  return std::any_of(subject.operands.begin(), subject.operands.end(),
                     [](const Operand& operand) { return operand.use == Operand::Use::inout; });
}

/// A time of the row, unless every sample was dropped.
void note_timing(const Timing& timing, std::optional<Timing>& out, Row& row) {
  if (timing.seconds.samples > 0) {
    out = timing;
  } else if (row.error.empty()) {
    row.error = fmt::format(
        "all {} samples were taken while the device throttled its clocks; see to its cooling and power, or give "
        "--time-limit more than it has",
        timing.throttled);
    row.error_kind = ErrorKind::device;
  }
}

void time_row(Backend& backend, const Case& subject, Specimen& specimen, CacheFlush& flush,
              const MeasureOptions& options, Row& row) {
  const std::string before = specimen.digest();
  const BoundCall call = specimen.bind();
  note_timing(time_cold(backend, call.run, flush, options.rule), row.cold, row);
  note_timing(time_hot(backend, call.run, options.rule), row.hot, row);
  if (call.finish) call.finish();
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

Row measure(Backend& backend, const Request& request, CacheFlush& flush, const MeasureOptions& options,
            const ConvWay* way) {
  Row row{.request = request};
  if (way != nullptr) row.way = *way;
  try {
    const Case subject = case_of(backend, request, way);
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
