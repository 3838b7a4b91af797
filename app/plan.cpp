#include "app/commands.h"
#include "app/options.h"
#include "app/plan_report.h"

namespace thaw {

namespace {

struct PlanOptions {
  std::string model;
  std::string gpu;
  int batch = 32;
  std::string dtype = "bf16";
  bool tf32 = false;
  std::string unfreeze = "all";
  std::string bn = "train";
  int size = 224;
  int classes = 5;
  bool all_plans = false;
  bool json = false;
};

StepQuestion question_of(const PlanOptions& options) {
  require_option(options.batch >= 1 && options.batch <= max_batch, "--batch", fmt::format("1 to {}", max_batch),
                 options.batch);
  require_option(options.size <= max_size, "--size", fmt::format("at most {}", max_size), options.size);
  require_option(options.classes >= 1, "--classes", "1 or more", options.classes);
  StepQuestion question;
  question.model = options.model;
  question.options.size = options.size;
  question.options.head.classes = options.classes;
  question.unfreeze = options.unfreeze;
  question.norms = parse_norm_mode(options.bn);
  question.batch = options.batch;
  question.as_cuda = true;
  question.dtype = parse_choice(options.dtype, "--dtype", {"f32", "bf16"}) == 0 ? Dtype::f32 : Dtype::bf16;
  return question;
}

ConvDirection direction_of(ConvCallKind kind) {
  switch (kind) {
    case ConvCallKind::data: return ConvDirection::data;
    case ConvCallKind::filter: return ConvDirection::filter;
    default: return ConvDirection::forward;
  }
}

/// The norms of the record, with what cuDNN has for them.
std::vector<PlannedNorm> plan_norms(const StepRecord& record, const std::string& gpu) {
  std::vector<PlannedNorm> norms;
  std::vector<cuda::NormRequest> requests;
  for (const auto* calls : {&record.prefix_norms, &record.step_norms}) {
    for (const NormCall& call : *calls) {
      norms.push_back({.call = call, .prefix = calls == &record.prefix_norms, .row = {}});
      requests.push_back({.problem = call.problem,
                          .direction = call.backward ? cuda::NormDirection::backward : cuda::NormDirection::forward});
    }
  }
  std::vector<cuda::NormSurveyRow> rows = cuda::survey_norms(gpu, requests);
  for (std::size_t i = 0; i < norms.size(); ++i) norms[i].row = std::move(rows[i]);
  return norms;
}

/// What the step asks for beside what cuDNN would give.
PlanReport report_of(const PlanOptions& options) {
  PlanReport report;
  report.question = question_of(options);
  report.tf32 = options.tf32 && report.question.dtype == Dtype::f32;
  const StepRecord record = record_step(report.question);
  report.cut = record.cut_name;
  report.memory = record.memory;
  std::vector<cuda::ConvRequest> requests;
  for (const auto* calls : {&record.prefix, &record.step}) {
    for (const ConvCall& call : *calls) {
      report.calls.push_back({.call = call, .prefix = calls == &record.prefix, .row = {}});
      requests.push_back(cuda::make_request(call.problem, direction_of(call.kind), {.tf32 = options.tf32}));
    }
  }
  const auto depth = options.all_plans ? cuda::SurveyDepth::all : cuda::SurveyDepth::recommended;
  report.survey = cuda::survey_convs(options.gpu, requests, depth);
  for (std::size_t i = 0; i < report.calls.size(); ++i) {
    PlannedCall& planned = report.calls[i];
    planned.row = std::move(report.survey.rows[i]);
    if (planned.call.kind == ConvCallKind::part) planned.row = {.request = planned.row.request, .own_kernel = true};
  }
  report.survey.rows.clear();
  report.norms = plan_norms(record, options.gpu);
  return report;
}

int run_plan(const PlanOptions& options, Console& console) {
  const PlanReport report = report_of(options);
  if (options.json) {
    print_json(console.out, to_json(report));
  } else {
    console.out << to_table(report);
  }
  if (!report.survey.driver) {
    console.err
        << "thaw: no driver (libcuda.so.1) is here, so engines that are compiled at run time could not be asked: "
           "what they fuse on the GPU is shown as a bare convolution and an epilogue, and every norm as an own "
           "kernel\n";
  }
  if (const std::size_t without = report.without_engine(); without > 0) {
    fail(ErrorKind::device, "[plan] {} of {} convolutions have no engine on {}; choose another --dtype or --gpu",
         without, report.calls.size(), report.survey.device);
  }
  return 0;
}

}  // namespace

void add_plan(CLI::App& app, Action& action) {
  CLI::App* command = add_command(
      app, "plan", "Which engines a GPU would train a network with, and the memory it takes, without that GPU.",
      "thaw plan resnet50 --gpu h200 --batch 256\n"
      "  thaw plan mobilenet_v3_large --gpu a100 --unfreeze blocks:3 --dtype f32 --tf32 --json\n\n"
      "GPUs known by name: a100, h100, h200, rtx4090, t4 (from public figures). A FILE.json describes another one\n"
      "in the form of cuDNN's CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION.\n\n"
      "Norms run on own kernels; the engine listed is what --autotune of `thaw train` would time against them.");
  auto options = std::make_shared<PlanOptions>();
  add_network_options(command, *options);
  command->add_option("--gpu", options->gpu, "a known GPU's name, or a file that describes one")->required();
  command->add_option("--batch", options->batch, "images a step");
  command->add_option("--dtype", options->dtype, "of activations: bf16 or f32");
  command->add_flag("--tf32", options->tf32, "tensor cores for f32, with products of 10 bits");
  command->add_option("--classes", options->classes, "of the transfer head");
  command->add_flag("--all-plans", options->all_plans,
                    "every engine that cuDNN offers, with workspace and notes, also where own kernels compute");
  add_json_option(command, options->json);
  set_action(command, options, action, run_plan);
}

}  // namespace thaw
