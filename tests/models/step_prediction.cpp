#include "tests/models/step_prediction.h"

#include <algorithm>
#include <stdexcept>

namespace thaw::test {

namespace {

/// A tensor between rows.
struct Value {
  std::string name = {};
  std::int64_t elements = 0;  // of one image
  bool live = false;          // wants a gradient
};

class Predictor {
 public:
  Predictor(const Network& network, int n) : network_(network), rows_(network.layers.rows()), n_(n) {}

  StepPrediction run() {
    ++out_.forward["preprocess"];
    current_ = {"pixels", rows_.front().output.numel(), false};
    std::string block;
    for (at_ = 0; at_ < rows_.size(); ++at_) {
      if (rows_[at_].block != block) {
        block = rows_[at_].block;
        block_input_ = current_;
        shortcut_ = current_;
      }
      read_row();
    }
    read_loss();
    count_joined_gradients();
    return out_;
  }

 private:
  static bool trains(const LayerInfo& row) {
    return std::any_of(row.parameters.begin(), row.parameters.end(), [](const Parameter* p) { return p->trainable(); });
  }

  const LayerInfo* find(const std::string& name) const {
    const auto found = std::find_if(rows_.begin(), rows_.end(), [&](const LayerInfo& r) { return r.name == name; });
    return found == rows_.end() ? nullptr : &*found;
  }

  bool next_is(const char* type) const { return at_ + 1 < rows_.size() && rows_[at_ + 1].type == type; }

  void save(const Value& value) {
    if (saved_.insert(value.name).second)
      out_.saved_bytes += static_cast<std::size_t>(value.elements * n_) * sizeof(float);
  }
  /// A recorded closure gives this value a gradient.
  void differentiate(const Value& value) {
    if (value.live) ++contributions_[value.name];
  }

  void read_row() {
    const LayerInfo& row = rows_[at_];
    if (row.type == "Conv2D" || row.type == "DepthwiseConv2D") {
      read_convolution(row);
    } else if (row.type == "MaxPooling2D") {
      read_pool(row, "max_pool");
      if (current_.live) save({row.name + " indices", row.output.numel(), false});
    } else if (row.type == "GlobalAveragePooling2D") {
      features_ = current_;
      read_pool(row, "average_pool");
      if (!row.head) reshape_to_picture();
    } else if (row.type == "ReLU") {  // those of the units are read with them, so this one is of a squeeze-excite
      read_activation(row);
    } else if (row.type == "Multiply") {
      read_gate(row);
    } else if (row.type == "Dropout") {
      read_dropout(row);
    } else if (row.type == "Dense") {
      read_dense(row);
    } else if (row.type != "InputLayer" && row.type != "Rescaling" && row.type != "ZeroPadding2D") {
      throw std::logic_error("the prediction does not know row " + row.name + " of type " + row.type);
    }
  }

  /// Keras interleaves the shortcut's rows with the third unit's: 0_conv, 3_conv, 0_bn, 3_bn, add, out.
  void read_convolution(const LayerInfo& conv) {
    std::string norm_name = conv.name + "_bn";
    if (conv.name.ends_with("_conv")) {
      norm_name = conv.name.substr(0, conv.name.size() - 5) + "_bn";
    }
    const LayerInfo* norm = find(norm_name);
    if (norm == nullptr) {
      read_plain_convolution(conv);
    } else if (conv.name.ends_with("_0_conv")) {
      shortcut_ = unit(conv, *norm, block_input_, {}, false);
    } else if (conv.name.ends_with("_3_conv")) {
      const bool projects = rows_[at_ - 1].name.ends_with("_0_conv");
      at_ += projects ? 4 : 3;  // to the last row of the block
      current_ = unit(conv, *norm, current_, shortcut_, true);
    } else {
      ++at_;
      const bool adds = next_is("Add");
      const bool acts = !adds && (next_is("ReLU") || next_is("Activation"));
      if (adds || acts) ++at_;
      current_ = unit(conv, *norm, current_, adds ? block_input_ : Value{}, acts);
    }
  }

  Value unit(const LayerInfo& conv, const LayerInfo& norm, const Value& x, const Value& residual, bool acts) {
    const bool batch = trains(norm) && network_.norm_mode() == NormMode::train;
    Value y{norm.name, norm.output.numel(), x.live || residual.live || trains(conv) || trains(norm)};
    if (!y.live && !batch) {
      ++out_.forward["pack_conv"];
      ++out_.forward["conv_forward_packed"];
      return y;
    }
    const Value between = convolution(conv, x);
    ++out_.forward[batch ? "norm_forward on batch" : "norm_forward on running"];
    ++out_.closures["batch_norm"];
    ++out_.backward["norm_backward"];
    const bool sum_then_act = acts && !residual.name.empty();
    if (batch || trains(norm) || (acts && !sum_then_act)) save(between);
    if (sum_then_act) save(y);
    differentiate(between);
    differentiate(residual);
    return y;
  }

  Value convolution(const LayerInfo& conv, const Value& x) {
    const Value y{conv.name, conv.output.numel(), x.live || trains(conv)};
    ++out_.forward["conv_forward"];
    if (!y.live) return y;
    ++out_.closures["conv2d"];
    if (trains(conv)) {
      save(x);
      ++out_.backward["conv_backward_filter"];
    }
    if (x.live) ++out_.backward["conv_backward_data"];
    differentiate(x);
    return y;
  }

  void read_plain_convolution(const LayerInfo& conv) { current_ = convolution(conv, current_); }

  void read_pool(const LayerInfo& row, const std::string& op) {
    ++out_.forward["pool_forward"];
    if (current_.live) {
      ++out_.closures[op];
      ++out_.backward["pool_backward"];
      differentiate(current_);
    }
    current_ = {row.name, row.output.numel(), current_.live};
  }

  void reshape_to_picture() {
    if (current_.live) ++out_.closures["reshape"];
  }

  void read_activation(const LayerInfo& row) {
    ++out_.forward["act_forward"];
    if (current_.live) {
      ++out_.closures["activation"];
      ++out_.backward["act_backward"];
      save(current_);
      differentiate(current_);
    }
    current_ = {row.name, row.output.numel(), current_.live};
  }

  void read_gate(const LayerInfo& row) {
    ++out_.forward["scale_forward"];
    const bool live = features_.live || current_.live;
    if (live) {
      ++out_.closures["scale_channels"];
      ++out_.backward["scale_backward"];
      if (current_.live) save(features_);
      if (features_.live) save(current_);
      differentiate(features_);
      differentiate(current_);
    }
    current_ = {row.name, row.output.numel(), live};
  }

  void read_dropout(const LayerInfo& row) {
    ++out_.forward["dropout"];
    if (current_.live) {
      ++out_.closures["dropout"];
      ++out_.backward["dropout"];
      differentiate(current_);
    }
    current_ = {row.name, row.output.numel(), current_.live};
  }

  void read_dense(const LayerInfo& row) {
    ++out_.forward["dense_forward"];
    ++out_.closures["dense"];
    save(current_);
    ++out_.backward["dense_backward_weights"];
    if (current_.live) ++out_.backward["dense_backward_data"];
    differentiate(current_);
    current_ = {row.name, row.output.numel(), true};
  }

  void read_loss() {
    ++out_.forward["softmax_cross_entropy"];
    ++out_.closures["softmax_cross_entropy"];
    save({"dlogits", current_.elements, false});
  }

  /// Where two closures give one value a gradient, the second one is added.
  void count_joined_gradients() {
    for (const auto& [name, count] : contributions_) {
      if (count > 1) out_.backward["add"] += count - 1;
    }
  }

  const Network& network_;
  const std::vector<LayerInfo>& rows_;
  const int n_;
  std::size_t at_ = 0;
  Value current_;
  Value block_input_;
  Value shortcut_;
  Value features_;
  std::set<std::string> saved_;
  Counts contributions_;
  StepPrediction out_;
};

}  // namespace

StepPrediction predict_step(const Network& network, int n) { return Predictor(network, n).run(); }

}  // namespace thaw::test
