/// Metrics in Prometheus' text format, version 0.0.4
/// (prometheus.io/docs/instrumenting/exposition_formats).
package struct PrometheusText {
    package static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    package private(set) var text = ""

    mutating func begin(_ definition: MetricDefinition) {
        let kind =
            switch definition.kind {
            case .counter: "counter"
            case .gauge: "gauge"
            case .histogram: "histogram"
            }
        text +=
            "# HELP \(definition.name) \(PrometheusText.escaped(definition.help, quotes: false))\n"
        text += "# TYPE \(definition.name) \(kind)\n"
    }

    mutating func line(
        _ name: String, _ labels: [String], _ labelValues: [String], _ value: Double
    ) {
        text += name
        if !labels.isEmpty {
            let pairs = zip(labels, labelValues).map { label, value in
                "\(label)=\"\(PrometheusText.escaped(value, quotes: true))\""
            }
            text += "{\(pairs.joined(separator: ","))}"
        }
        text += " \(PrometheusText.number(value))\n"
    }

    /// As Go reads a number.
    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        // A count without a decimal point: easier on the eye, and exact below 2^53.
        if value.magnitude < 9e15, value == value.rounded() { return String(Int64(value)) }
        return "\(value)"
    }

    private static func escaped(_ text: String, quotes: Bool) -> String {
        var result = ""
        for character in text.unicodeScalars {
            switch character {
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\"" where quotes: result += "\\\""
            default: result.unicodeScalars.append(character)
            }
        }
        return result
    }
}
