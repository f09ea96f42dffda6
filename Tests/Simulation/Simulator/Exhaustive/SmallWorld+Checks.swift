import SyncProtocol

/// What must hold in every state of a ``SmallWorld``. What a step does wrong, writers and hub say
/// themselves.
extension SmallWorld {
    func flaw() -> String? {
        if let fault = hub.fault { return fault }
        for index in writers.indices {
            let name = writers[index].name
            if let fault = writers[index].fault { return "agent \(name): " + fault }
            if releasedTooMuch(index) {
                return "agent \(name) released what the hub does not have"
            }
        }
        if !hasCopy, hub.streams.contains(where: { $0.session.record.standing != .open }) {
            return "a stream was closed, and there is no copy"
        }
        return nil
    }

    private func releasedTooMuch(_ index: Int) -> Bool {
        writers[index].disk.streams.contains { stream in
            guard stream.acknowledged.sequence > 0 else { return false }
            return stream.segments.contains {
                $0.end.sequence <= stream.acknowledged.sequence
                    && !hub.has($0.hash, of: stream.tag)
            }
        }
    }

    /// Whether everything that is on a disk is merged and acknowledged, and no two folders write one
    /// stream.
    var isConverged: Bool {
        let isAcknowledged = writers.allSatisfy { writer in
            writer.disk.streams.allSatisfy { stream in
                stream.acknowledged == stream.head
                    && stream.segments.allSatisfy { hub.has($0.hash, of: stream.tag) }
            }
        }
        return isAcknowledged && Set(writers.map(\.writing)).count == writers.count
    }

    /// Whether nothing happens any more of itself.
    var isQuiet: Bool {
        letters.isEmpty && !hub.hasWork && writers.allSatisfy(\.errands.isEmpty)
    }
}
