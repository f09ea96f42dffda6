import Foundation

/// How an aggregator stands itself: what it says of its fleet is as old as its last contact.
struct AggregatorCondition: Encodable {
    let connected: Bool
    /// Why it is not connected to its broker, or cannot merge; nil where both are well.
    let reason: String?
    /// Whether it can merge.
    let ready: Bool

    private struct Readiness: Decodable {
        var connected: Bool
        var broker: String
    }

    static func of(_ api: DaemonAPI) async throws -> AggregatorCondition {
        let (body, status) = try await api.answer("/readyz")
        guard status == 200 else {
            return AggregatorCondition(
                connected: true, reason: ProblemBody.sentence(of: body), ready: false)
        }
        let readiness = try? DaemonAPI.decoder.decode(Readiness.self, from: body)
        guard let readiness, !readiness.connected else {
            return AggregatorCondition(connected: true, reason: nil, ready: true)
        }
        // "waiting for the broker: REASON"
        let reason = readiness.broker.split(separator: ": ", maxSplits: 1).dropFirst().first
        return AggregatorCondition(
            connected: false, reason: reason.map(String.init) ?? "it does not answer", ready: true)
    }

    var isWell: Bool { connected && ready }

    /// Nil where it is well.
    var disconnection: String? {
        guard !isWell else { return nil }
        let what =
            connected
            ? "This aggregator cannot merge" : "This aggregator is not connected to its broker"
        return "\(what): \(reason ?? "no details")."
    }

    /// For in front of what it says; nil where it is well.
    var warning: String? { disconnection.map { "\($0) What follows is what it last knew." } }
}
