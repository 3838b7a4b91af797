#include "microscope/ways.h"

#include <gmock/gmock.h>

#include "kernels/cpu/cpu_backend.h"
#include "kernels/reference/reference_backend.h"
#include "microscope/report.h"

namespace thaw::microscope {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

/// The processor's backend with ways of its own making: each is the backend's call, and what the test does behind it.
class ManyWays : public CpuBackend, private ConvWays {
 public:
  std::vector<ConvWay> offered;
  std::function<void(const ConvWay&, const ConvOperands&)> behind = [](const auto&, const auto&) {};
  std::function<void(const ConvOperands&)> at_the_end = {};

  ConvWays& conv_ways() override { return *this; }

 private:
  std::vector<ConvWay> ways(const ConvTask&) override { return offered; }
  Dtype result_of(const ConvTask& task) override { return stored_result(task); }
  BoundCall bind(const ConvTask& task, const ConvWay& way, const ConvOperands& to) override {
    const auto call = [this, task, way, to] {
      conv_forward(task.problem, {.x = to.x, .w = to.w, .bias = to.bias, .residual = to.residual, .y = to.out});
      behind(way, to);
    };
    if (!at_the_end) return {call};
    return {call, [this, to] { at_the_end(to); }};
  }
};

constexpr const char* kProblem = "n2c8h6w6_k5r1s1+bias:f32";
const MeasureOptions kQuick = {.seed = 3, .rule = {.limit = 0.001}};

Row measured(Backend& backend, const Request& request, const ConvWay& way) {
  CacheFlush flush(backend, 1, 1 << 20);
  return measure(backend, request, flush, kQuick, &way);
}

/// A filter gradient in bf16 that comes rounded is right, in every way of the processor, whatever the layout.
TEST(Ways, AllThatTheProcessorHasAreRightInEveryDirection) {
  CpuBackend backend({.threads = 2});
  const std::pair<const char*, const char*> problems[] = {{"depthwise", "n3c17h9w8_r5u2"},
                                                          {"depthwise", "n2c24h6w6_r3"},
                                                          {"conv", "n2c16h8w8_k32r3s3p1+bias+relu"},
                                                          {"conv", "n3c8h7w7_k24r1s1+bias"},
                                                          {"conv", "n2c8h6w6_k12r3s3g2p1"}};
  for (const Dtype dtype : {Dtype::f32, Dtype::bf16}) {
    if (!backend.supports(dtype)) continue;
    for (const auto& [name, text] : problems) {
      const std::string problem = family(name).canonical(text, {.standard = dtype});
      for (const char* direction : {"fwd", "dgrad", "wgrad", "packed"}) {
        const Request request = request_of_ways({.family = name, .problem = problem, .direction = direction});
        const std::vector<ConvWay> ways = ways_of(backend, request);
        EXPECT_EQ(std::count_if(ways.begin(), ways.end(), [](const ConvWay& way) { return way.chosen; }), 1);
        if (request.family == "depthwise") {
          ASSERT_THAT(ways, SizeIs(2));
          EXPECT_TRUE(ways[0].own && !ways[1].own);
        }
        for (const ConvWay& way : ways) {
          const Case subject = case_of(backend, request, &way);
          Specimen specimen(backend, subject, 7);
          const Finding finding = check(subject, specimen, {.limit = 1e9, .seed = 7});
          EXPECT_TRUE(finding.good()) << request.problem << " " << direction << " " << way.name << ": "
                                      << finding.complaint;
          if (request.family == "depthwise") {
            EXPECT_EQ(finding.agreement, Agreement::exact) << request.problem << " " << direction << " " << way.name;
          }
        }
      }
    }
  }
}

TEST(Ways, OfABackendThatHasOneAreNone) {
  ReferenceBackend reference;
  EXPECT_THAT(ways_of(reference, {.family = "conv", .problem = kProblem, .direction = "fwd"}), IsEmpty());
  CpuBackend processor;
  EXPECT_THAT(ways_of(processor, {.family = "norm", .problem = "rows5c5", .direction = "fwd"}), IsEmpty());
}

TEST(Ways, AreCheckedOneByOne) {
  ManyWays backend;
  backend.offered = {{.name = "own", .own = true}, {.name = "a"}, {.name = "b"}};
  backend.behind = [](const ConvWay& way, const ConvOperands& to) {
    if (way.name == "b") static_cast<float*>(to.out)[11] += 1;
  };
  const Request request{.family = "conv", .problem = kProblem, .direction = "fwd"};
  std::vector<Row> rows;
  for (const ConvWay& way : ways_of(backend, request)) rows.push_back(measured(backend, request, way));
  ASSERT_THAT(rows, SizeIs(3));
  EXPECT_TRUE(rows[0].good() && rows[1].good());
  EXPECT_EQ(rows[2].finding.agreement, Agreement::wrong);
  EXPECT_THAT(rows[2].finding.complaint, HasSubstr("'y'[11]"));
  EXPECT_TRUE(rows[0].ours());
  EXPECT_FALSE(rows[2].ours()) << "no run takes it";
}

TEST(Ways, WhatAWayLeavesElsewhereIsFetchedBehindTheTimedCalls) {
  ManyWays backend;
  backend.offered = {{.name = "a"}};
  int calls = 0, ends = 0;
  backend.behind = [&calls](const ConvWay&, const ConvOperands& to) {
    ++calls;
    static_cast<float*>(to.out)[0] += 1;  // wrong until the end puts it right
  };
  backend.at_the_end = [&ends](const ConvOperands& to) {
    ++ends;
    static_cast<float*>(to.out)[0] -= 1;
  };
  const Request request{.family = "conv", .problem = kProblem, .direction = "fwd"};
  const Row row = measured(backend, request, backend.offered[0]);
  EXPECT_TRUE(row.good()) << row.finding.complaint;
  EXPECT_EQ(ends, 4) << "behind each of the three checked calls, and once behind the timed ones";
  EXPECT_GT(calls, 10);
}

TEST(Ways, ThatComeRoundedOrTransformedAreJudgedByThat) {
  ManyWays backend;
  const Request request{.family = "conv", .problem = "n2c8h6w6_k5r5s5p2:bf16", .direction = "wgrad"};
  const auto precision = [&](const ConvWay& way) { return case_of(backend, request, &way).operands[2].precision; };
  EXPECT_EQ(precision({.name = "a", .result = Dtype::bf16}), Dtype::bf16);
  EXPECT_EQ(precision({.name = "a", .result = Dtype::f32}), Dtype::f32);
  const ConvWay fft{.name = "a", .transformed = true};
  const ConvWay plain{.name = "a"};
  EXPECT_EQ(case_of(backend, request, &fft).exactness, Exactness::rounded);
  EXPECT_EQ(case_of(backend, request, &plain).exactness, Exactness::integers);
}

TEST(Ways, OfAFilterGradientLeaveOutTheBias) {
  EXPECT_EQ(request_of_ways({.family = "conv", .problem = kProblem, .direction = "wgrad"}).problem,
            "n2c8h6w6_k5r1s1:f32");
  EXPECT_EQ(request_of_ways({.family = "conv", .problem = kProblem, .direction = "fwd"}).problem, kProblem);
}

Row row_of(const std::string& problem, const ConvWay& way, double cold, double hot) {
  Row row{.request = {.family = "depthwise", .problem = problem, .direction = "fwd"}, .way = way};
  row.finding.agreement = Agreement::exact;
  row.cold = Timing{.seconds = {.samples = 6, .median = cold, .interval = {}}};
  row.hot = Timing{.seconds = {.samples = 6, .median = hot, .interval = {}}};
  return row;
}

std::vector<Row> two_contests() {
  const ConvWay own{.name = "own", .own = true, .chosen = true};
  std::vector<Row> rows = {row_of("p", own, 2, 1),
                           row_of("p", {.name = "a", .workspace_bytes = 64}, 4, 3),
                           row_of("p", {.name = "b", .notes = {"x", "y"}}, 5, 2),
                           row_of("p", {.name = "wrong"}, 1, 0.1),
                           row_of("q", own, 2, 2),
                           row_of("q", {.name = "a"}, 1, 1)};
  rows[3].finding.agreement = Agreement::wrong;
  return rows;
}

TEST(Contests, AreOwnKernelsAgainstTheFastestEngineThatIsRight) {
  const std::vector<Contest> contests = contests_of(two_contests());
  ASSERT_THAT(contests, SizeIs(2));
  EXPECT_DOUBLE_EQ(contests[0].cold, 2);
  EXPECT_EQ(contests[0].engine_cold, "a");
  EXPECT_DOUBLE_EQ(contests[0].hot, 2);
  EXPECT_EQ(contests[0].engine_hot, "b");
  EXPECT_DOUBLE_EQ(contests[1].cold, 0.5);
  EXPECT_DOUBLE_EQ(geometric_mean(contests, &Contest::cold), 1);
  EXPECT_DOUBLE_EQ(geometric_mean({}, &Contest::cold), 0);
}

TEST(Contests, HaveNoRatioWhereOneSideIsMissing) {
  const ConvWay own{.name = "own", .own = true};
  std::vector<Row> rows = {row_of("p", own, 2, 1)};
  EXPECT_EQ(contests_of(rows)[0].cold, 0);
  rows.push_back(row_of("p", {.name = "a"}, 3, 3));
  rows[0].finding.agreement = Agreement::wrong;
  EXPECT_EQ(contests_of(rows)[0].cold, 0) << "a wrong kernel wins nothing";
}

TEST(Contests, AreInTheJsonAndTheCsv) {
  RunInfo info;
  const std::vector<Row> rows = two_contests();
  const nlohmann::json report = to_json(info, rows);
  EXPECT_EQ(report["own_against_best"]["rows"].size(), 2U);
  EXPECT_EQ(report["own_against_best"]["rows"][0]["best_cold"], "a");
  EXPECT_DOUBLE_EQ(report["own_against_best"]["cold"].get<double>(), 1);
  const nlohmann::json& plan = report["rows"][1]["plan"];
  EXPECT_EQ(plan["engine"], "a");
  EXPECT_EQ(plan["workspace_bytes"], 64);
  EXPECT_DOUBLE_EQ(plan["against_best_cold"].get<double>(), 1);
  EXPECT_TRUE(report["rows"][0]["plan"]["workspace_bytes"].is_null()) << "not known";
  EXPECT_THAT(repro_line(rows[1], info), HasSubstr("--plan 'a'"));
  const std::string csv = to_csv(info, rows);
  EXPECT_THAT(csv, HasSubstr("plan_engine,plan_own,plan_chosen,plan_workspace_bytes,plan_notes"));
  EXPECT_THAT(csv, HasSubstr(",x; y,"));
}

}  // namespace
}  // namespace thaw::microscope
