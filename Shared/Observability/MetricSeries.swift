import Metrics
import Synchronization

/// What is kept of one metric under one combination of label values.
protocol Series: AnyObject, Sendable {
    func write(
        _ definition: MetricDefinition, _ labelValues: [String], to text: inout PrometheusText)
}

/// Counting is one atomic addition.
final class CountSeries: Series, CounterHandler {
    private let count = Atomic<Int64>(0)

    func increment(by amount: Int64) {
        count.wrappingAdd(amount, ordering: .relaxed)
    }

    func reset() {
        count.store(0, ordering: .relaxed)
    }

    func write(
        _ definition: MetricDefinition, _ labelValues: [String], to text: inout PrometheusText
    ) {
        text.line(
            definition.name, definition.labels, labelValues, Double(count.load(ordering: .relaxed)))
    }
}

final class GaugeSeries: Series, MeterHandler, RecorderHandler {
    private let value = Mutex(0.0)

    func set(_ value: Int64) { set(Double(value)) }
    func set(_ value: Double) { self.value.withLock { $0 = value } }
    func increment(by amount: Double) { value.withLock { $0 += amount } }
    func decrement(by amount: Double) { value.withLock { $0 -= amount } }
    func record(_ value: Int64) { set(Double(value)) }
    func record(_ value: Double) { set(value) }

    func write(
        _ definition: MetricDefinition, _ labelValues: [String], to text: inout PrometheusText
    ) {
        text.line(definition.name, definition.labels, labelValues, value.withLock { $0 })
    }
}

/// A value is put into the first bucket whose bound it does not exceed.
final class HistogramSeries: Series, TimerHandler, RecorderHandler {
    private struct State {
        /// One more than there are bounds.
        var counts: [UInt64]
        var sum = 0.0
    }

    private let bounds: [Double]
    private let state: Mutex<State>

    init(bounds: [Double]) {
        self.bounds = bounds
        state = Mutex(State(counts: [UInt64](repeating: 0, count: bounds.count + 1)))
    }

    func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1_000_000_000) }
    func record(_ value: Int64) { record(Double(value)) }

    func record(_ value: Double) {
        let index = bounds.firstIndex { value <= $0 } ?? bounds.count
        state.withLock { state in
            state.counts[index] += 1
            state.sum += value
        }
    }

    func write(
        _ definition: MetricDefinition, _ labelValues: [String], to text: inout PrometheusText
    ) {
        let (counts, sum) = state.withLock { ($0.counts, $0.sum) }
        var total: UInt64 = 0
        for (bound, count) in zip(bounds + [.infinity], counts) {
            total += count
            text.line(
                "\(definition.name)_bucket", definition.labels + ["le"],
                labelValues + [PrometheusText.number(bound)], Double(total))
        }
        text.line("\(definition.name)_sum", definition.labels, labelValues, sum)
        text.line("\(definition.name)_count", definition.labels, labelValues, Double(total))
    }
}
