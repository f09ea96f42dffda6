import AgentCore
import LedgerCore
import SyncProtocol

/// What happens, for people who read a trace.
enum Words {
    /// As in `2d 03:04:05.678901`.
    static func time(_ microseconds: Int64) -> String {
        let seconds = microseconds / 1_000_000
        let days = seconds / 86_400
        let clock = [seconds / 3600 % 24, seconds / 60 % 60, seconds % 60].map { padded($0, 2) }
        return "\(days)d \(clock.joined(separator: ":")).\(padded(microseconds % 1_000_000, 6))"
    }

    private static func padded(_ number: Int64, _ count: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, count - digits.count)) + digits
    }

    static func fate(_ fate: FaultInjector.Fate) -> String {
        guard !fate.copies.isEmpty else { return "lost" }
        return fate.copies.map { copy in
            let how = [
                copy.delay > 0 ? "\(Double(copy.delay) / 1e6) s later" : "in time",
                copy.damage == nil ? nil : "damaged",
            ]
            return how.compactMap { $0 }.joined(separator: " and ")
        }.joined(separator: "; ")
    }

    static func request(_ request: Request) -> String {
        let parts = request.parts.map { "t\($0.number)\($0.key.map { " key \($0)" } ?? "")" }
        switch request.kind {
        case .batch: return "record \(parts.joined(separator: ", "))"
        case .group: return "record together \(parts.joined(separator: ", "))"
        case .read(let account): return "read \(account)"
        }
    }

    static func answer(_ answer: Answer) -> String {
        switch answer {
        case .recorded(let outcomes): outcomes.map(outcome).joined(separator: ", ")
        case .account(let view):
            view.map { view in
                view.balances.map { "\($0.asset) +\($0.input) −\($0.output)" }.joined(
                    separator: ", ")
            } ?? "nothing"
        case .unavailable: "unavailable"
        }
    }

    private static func outcome(_ outcome: Outcome) -> String {
        switch outcome {
        case .accepted(let place, _): "event \(place)"
        case .replayed(let place): "event \(place) again"
        case .mismatched(let place): "refused for event \(place)"
        case .groupTooLarge: "too large"
        }
    }

    static func message(_ bytes: [UInt8]) -> String {
        guard let frame = try? Frame(decoding: bytes) else { return "\(bytes.count) broken bytes" }
        guard let message = try? Message(frame) else {
            return "an unknown frame of kind \(frame.kind)"
        }
        return "[\(frame.session)] \(content(message))"
    }

    private static func point(_ point: ChainPoint) -> String {
        "\(point.sequence)/\(point.hash.shortDescription)"
    }

    private static func content(_ message: Message) -> String {
        switch message {
        case .hello(let hello):
            "hello head \(point(hello.head)) last session \(hello.lastSession) "
                + "from \(hello.oldestRetained)"
        case .proof(let proof):
            "proof head \(point(proof.head))\(proof.passesAnnounced ? "" : " not passing")"
        case .segments(let segments):
            "segments "
                + segments.segments.map { bytes in
                    (try? Segment(decoding: bytes)).map {
                        "\($0.header.firstSequence)…\($0.header.lastSequence)"
                    } ?? "broken"
                }.joined(separator: " ")
        case .definitions(let definitions): "\(definitions.definitions.count) definitions"
        case .watermark(let watermark): "watermark \(watermark.through.rawValue)"
        case .welcome(let welcome):
            "welcome session \(welcome.session) has \(welcome.leaves.map(point)) "
                + "announced \(point(welcome.announced)) \(welcome.standing.name)"
        case .ack(let ack): "ack \(point(ack.through))"
        case .needs(let needs): "needs behind \(needs.gaps.map { point($0.after) })"
        case .needsDefinitions(let needs): "needs definitions \(needs.first)..<\(needs.through)"
        case .accountSnapshot(let snapshot):
            "accounts #\(snapshot.number) of \(snapshot.accounts.count) at \(snapshot.position)"
        case .accountRequest(let request):
            "asks for \(request.wantsAll ? "all" : "") \(request.accounts.count) accounts"
        case .status(let status):
            "status \(status.isOnline ? "online" : "offline") head \(point(status.head))"
        case .hub(let notice): "hub is \(notice.isUp ? "up" : "down")"
        case .spans: "spans"
        case .hubEvents: "hub events"
        case .returns: "returns"
        case .unreadable: "unreadable"
        }
    }
}
