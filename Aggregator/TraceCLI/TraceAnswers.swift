/// `GET /v1/transactions/{id}/traces` of an aggregator.
struct TracesAnswer: Codable {
    var traces: [String]
}

/// `GET /api/traces/{id}` of an aggregator: what is drawn of Jaeger's JSON.
struct JaegerAnswer: Decodable {
    struct Trace: Decodable {
        var traceID: String
        var spans: [Span]
        var processes: [String: Process]
    }

    struct Span: Decodable {
        var spanID: String
        var operationName: String
        var references: [Reference]
        /// In microseconds since 1970.
        var startTime: Int64
        /// In microseconds.
        var duration: Int64
        var tags: [Tag]
        var processID: String
    }

    struct Reference: Decodable {
        var refType: String
        var traceID: String
        var spanID: String
    }

    struct Tag: Decodable {
        var key: String
        /// As text, whatever its type.
        var value: String

        enum CodingKeys: String, CodingKey {
            case key, value
        }

        init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: CodingKeys.self)
            key = try container.decode(String.self, forKey: .key)
            if let text = try? container.decode(String.self, forKey: .value) {
                value = text
            } else if let number = try? container.decode(Int64.self, forKey: .value) {
                value = String(number)
            } else if let number = try? container.decode(Double.self, forKey: .value) {
                value = String(number)
            } else {
                value = String(try container.decode(Bool.self, forKey: .value))
            }
        }
    }

    struct Process: Decodable {
        var serviceName: String
        var tags: [Tag]
    }

    var data: [Trace]
}
