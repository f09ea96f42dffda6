import LedgerCore

extension SegmentBuilder {
    /// Whether a hub event still fits, of whatever size.
    package var hasRoomForHubEvent: Bool {
        byteCount + HubEvent.byteCountMax + 2 * ByteWriter.varintBytesMax
            <= SegmentHeader.segmentBytesMax
    }

    /// Appends an event of the hub's own stream.
    ///
    /// - Precondition: `hasRoomForHubEvent`, and times that do not go back.
    /// - Returns: the event, with its number.
    @discardableResult
    package mutating func append(_ content: HubEvent.Content, time: HybridTimestamp) -> HubEvent {
        let event = HubEvent(sequence: nextSequence, time: time, content: content)
        append(tag: content.fact.kind | EventTag.mustUnderstand, time: time) {
            content.encode(into: &$0)
        }
        return event
    }
}

/// What became of reading one event of a hub's segment.
package enum ReadHubEvent: Hashable, Sendable {
    case event(HubEvent)
    /// Its bytes make no event. Those behind it are not harmed.
    case unreadable(sequence: UInt64, WireError)
}

extension Segment {
    /// The events of a segment of a hub's stream.
    package func hubEvents() -> [ReadHubEvent] {
        var found: [ReadHubEvent] = []
        found.reserveCapacity(Int(header.count))
        bytes.withUnsafeBytes { pointer in
            var envelopes = EventEnvelopes(header, pointer)
            while let envelope = envelopes.next() { found.append(read(envelope, pointer)) }
        }
        return found
    }

    private func read(
        _ envelope: EventEnvelopes.Envelope, _ pointer: UnsafeRawBufferPointer
    ) -> ReadHubEvent {
        do throws(WireError) {
            var reader = ByteReader(pointer, in: try envelope.content.get())
            let kind = try reader.u8() & EventTag.kindMask
            let time = try reader.time(after: header.base)
            let content = try HubEvent.Content(from: &reader, kind: kind)
            try reader.expectEnd()
            return .event(HubEvent(sequence: envelope.sequence, time: time, content: content))
        } catch {
            return .unreadable(sequence: envelope.sequence, error)
        }
    }
}
