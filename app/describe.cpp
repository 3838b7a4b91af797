#include "models/describe.h"

#include "app/commands.h"
#include "app/options.h"
#include "models/zoo.h"

namespace thaw {

namespace {

struct DescribeOptions {
  std::string model;
  std::string unfreeze = "none";
  std::string bn = "train";
  std::string keras_rescaling = "on";
  int size = 224;
  int classes = 5;
  std::string head = "none";
  double dropout = 0;
  bool include_top = false;
  bool clip_blocks = false;
  bool json = false;
};

HeadOptions head_of(const DescribeOptions& options) {
  if (options.include_top) return {.include_top = true};
  require_option(options.classes >= 0, "--classes", "0 (no classifier) or more", options.classes);
  require_option(options.dropout >= 0 && options.dropout < 1, "--dropout", "a rate in [0, 1)", options.dropout);
  return {.classes = options.classes, .hidden = parse_widths(options.head, "--head"), .dropout = options.dropout};
}

int run_describe(const DescribeOptions& options, Console& console) {
  const NormMode mode = parse_norm_mode(options.bn);
  const SelectorOptions reading{.keras_rescaling = parse_switch(options.keras_rescaling, "--keras-rescaling"),
                                .clip_blocks = options.clip_blocks};
  const auto network = build_model(options.model, make_backend("reference", {.threads = 1}),
                                   {.size = options.size, .head = head_of(options)});
  const Selection selection = select_layers(*network, options.unfreeze, reading);
  apply_selection(*network, selection, mode);
  const Description description = describe(*network, selection, reading);
  if (options.json) {
    print_json(console.out, to_json(description));
  } else {
    console.out << to_table(description);
  }
  return 0;
}

}  // namespace

void add_describe(CLI::App& app, Action& action) {
  CLI::App* command =
      add_command(app, "describe", "Every layer of a network in Keras' order, and what an unfreezing selects.",
                  "thaw describe resnet50 --unfreeze blocks:3 --bn inference\n"
                  "  thaw describe mobilenet_v3_large --unfreeze layer:150 --keras-rescaling off --json\n\n"
                  "Batch norms of the unfrozen part (--bn):\n"
                  "  train          batch statistics, running ones move, gamma and beta train (Keras' default)\n"
                  "  inference      running statistics, gamma and beta train (base(x, training=False))\n"
                  "  frozen-affine  running statistics, nothing of them trains");
  auto options = std::make_shared<DescribeOptions>();
  add_network_options(command, *options);
  command->add_option("--keras-rescaling", options->keras_rescaling,
                      "whether layer:N counts MobileNetV3's Rescaling layer: on or off");
  command->add_flag("--clip-blocks", options->clip_blocks, "more blocks than there are open the blocks, not the stem");
  command->add_option("--classes", options->classes, "of the transfer head; 0: none");
  command->add_option("--head", options->head, "hidden dense layers of the head: none, or widths: 512,256");
  command->add_option("--dropout", options->dropout, "dropout rate in the head");
  command->add_flag("--include-top", options->include_top, "with Keras' ImageNet classifier instead of a head");
  add_json_option(command, options->json);
  set_action(command, options, action, run_describe);
}

}  // namespace thaw
