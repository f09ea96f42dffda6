import Foundation
import LedgerCore
import OTLP
import Observability
import TextFormats

/// A trace in the JSON of Jaeger's query API (jaegertracing.io/docs, "HTTP JSON"): times and durations in
/// microseconds, links as references of the kind `FOLLOWS_FROM`.
struct JaegerTrace {
    private struct Process: Hashable {
        let service: String
        let instance: String

        init(of span: ArchivedSpan) {
            service = span.service
            instance = span.instance
        }
    }

    let id: String
    let spans: [ArchivedSpan]

    func write(to json: inout JSONWriter) {
        var processes: [Process] = []
        for span in spans where !processes.contains(Process(of: span)) {
            processes.append(Process(of: span))
        }
        json.object { json in
            json.member("traceID", id)
            json.name("spans")
            json.array(of: spans) { json, archived in
                let number = processes.firstIndex(of: Process(of: archived)) ?? 0
                write(archived.span, process: number, to: &json)
            }
            json.name("processes")
            json.object { json in
                for (number, process) in processes.enumerated() {
                    json.name(JaegerTrace.name(number))
                    json.object { json in
                        json.member("serviceName", process.service)
                        json.name("tags")
                        json.array(of: [process.instance]) { json, instance in
                            JaegerTrace.write(
                                OTLPKeyValue("service.instance.id", .string(instance)), to: &json)
                        }
                    }
                }
            }
            json.name("warnings")
            json.null()
        }
    }

    private static func name(_ process: Int) -> String { "p\(process + 1)" }

    private func write(_ span: OTLPSpan, process: Int, to json: inout JSONWriter) {
        json.object { json in
            json.member("traceID", id)
            json.member("spanID", span.spanID.hexadecimal)
            json.member("operationName", span.name)
            json.name("references")
            json.array { json in
                if !span.parentSpanID.isEmpty {
                    JaegerTrace.write("CHILD_OF", id, span.parentSpanID.hexadecimal, to: &json)
                }
                for link in span.links {
                    JaegerTrace.write(
                        "FOLLOWS_FROM", link.traceID.hexadecimal, link.spanID.hexadecimal,
                        to: &json)
                }
            }
            json.member("flags", Int64(span.flags & 0xFF))
            json.member("startTime", Int64(clamping: span.start / 1000))
            json.member("duration", Int64(clamping: (span.end - min(span.start, span.end)) / 1000))
            json.name("tags")
            json.array(of: span.jaegerTags) { json, tag in JaegerTrace.write(tag, to: &json) }
            json.name("logs")
            json.array(of: span.events) { json, event in
                json.object { json in
                    json.member("timestamp", Int64(clamping: event.time / 1000))
                    json.name("fields")
                    let name = OTLPKeyValue("event", .string(event.name))
                    json.array(of: [name] + event.attributes) { json, field in
                        JaegerTrace.write(field, to: &json)
                    }
                }
            }
            json.member("processID", JaegerTrace.name(process))
            json.name("warnings")
            json.null()
        }
    }

    private static func write(
        _ kind: String, _ traceID: String, _ spanID: String, to json: inout JSONWriter
    ) {
        json.object { json in
            json.member("refType", kind)
            json.member("traceID", traceID)
            json.member("spanID", spanID)
        }
    }

    private static func write(_ tag: OTLPKeyValue, to json: inout JSONWriter) {
        json.object { json in
            json.member("key", tag.key)
            switch tag.value.value {
            case .string(let text):
                json.member("type", "string")
                json.member("value", text)
            case .bool(let flag):
                json.member("type", "bool")
                json.member("value", flag)
            case .int(let number):
                json.member("type", "int64")
                json.member("value", number)
            case .double(let number):
                json.member("type", "float64")
                json.member("value", number)
            case .bytes(let bytes):
                json.member("type", "binary")
                json.member("value", bytes.base64EncodedString())
            case .array(let values):
                json.member("type", "string")
                json.member("value", values.map(\.text).joined(separator: ","))
            case nil:
                json.member("type", "string")
                json.member("value", "")
            }
        }
    }
}

extension OTLPSpan {
    /// The attributes, and what Jaeger has as tags too.
    fileprivate var jaegerTags: [OTLPKeyValue] {
        var tags = attributes
        if let kind = OTLPSpan.kindNames[kind] {
            tags.append(OTLPKeyValue("span.kind", .string(kind)))
        }
        switch status.code {
        case .error:
            tags.append(OTLPKeyValue("error", .bool(true)))
            tags.append(OTLPKeyValue("otel.status_code", .string("ERROR")))
        case .ok: tags.append(OTLPKeyValue("otel.status_code", .string("OK")))
        default: break
        }
        if !status.message.isEmpty {
            tags.append(OTLPKeyValue("otel.status_description", .string(status.message)))
        }
        if !traceState.isEmpty {
            tags.append(OTLPKeyValue("w3c.tracestate", .string(traceState)))
        }
        return tags
    }

    private static let kindNames: [Kind: String] = [
        .internal: "internal", .server: "server", .client: "client", .producer: "producer",
        .consumer: "consumer",
    ]
}

extension OTLPAnyValue {
    fileprivate var text: String {
        switch value {
        case .string(let text): text
        case .bool(let flag): String(flag)
        case .int(let number): String(number)
        case .double(let number): String(number)
        case .array(let values): values.map(\.text).joined(separator: ",")
        case .bytes(let bytes): bytes.base64EncodedString()
        case nil: ""
        }
    }
}

extension Data {
    fileprivate var hexadecimal: String { [UInt8](self).hexadecimal }
}
