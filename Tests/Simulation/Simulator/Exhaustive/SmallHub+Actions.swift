import AggregatorCore
import LedgerCore
import SyncProtocol

/// What the sessions of a ``SmallHub`` want done.
extension SmallHub {
    mutating func perform(
        _ action: StreamSession.Action, _ index: Int, _ letters: inout [Letter]
    ) {
        switch action {
        case .sendWelcome(var welcome):
            // No letter is altered here, and states that differ in nonces are to be one.
            welcome.greeting = .zero
            streams[index].challenge = welcome.challenge[0]
            let names = [welcome.nonce[0], welcome.challenge[0]]
            let frame = Message.welcome(welcome).framed(session: 0)
            letters.append(Letter(to: streams[index].name, frame, names: names))
        case .merge(let run): merge(run, index)
        case .persistRecord, .persistWatermark, .close: streams[index].owesRecord = true
        case .sendAck(let session, let point): acknowledge(point, session, index, &letters)
        case .sendNeeds(let session, let needs):
            let frame = Message.needs(needs).framed(session: session)
            letters.append(Letter(to: streams[index].name, frame))
        case .lookUp(let question): answer(question, index, &letters)
        case .fallenBehind: fault = "the hub takes itself for an older copy"
        case .sendNeedsDefinitions, .define: fault = "names were asked for, and none are missing"
        case .lose: fault = "events were given up, and nothing is lost"
        case .awaitApproval: fault = "a stream waits for approval, and none is needed"
        case .drop: break
        }
    }

    mutating func merge(_ run: SegmentRun, _ index: Int) {
        for sealed in run.segments {
            if !isKnown(sealed.segment.header.previous, index) {
                fault = "event \(sealed.end.sequence) is merged behind nothing"
            }
            if isKnown(sealed.hash, index) {
                fault = "event \(sealed.end.sequence) is merged twice"
            }
            streams[index].pending.append(sealed)
        }
    }

    func isKnown(_ hash: Hash256, _ index: Int) -> Bool {
        streams[index].session.genesis.hash(SmallHub.hasher) == hash
            || streams[index].stored?.segments[hash] != nil
            || streams[index].pending.contains { $0.hash == hash }
    }

    mutating func acknowledge(
        _ point: ChainPoint, _ session: UInt64, _ index: Int, _ letters: inout [Letter]
    ) {
        let stream = streams[index]
        if point.sequence > 0, stream.stored?.segments[point.hash] == nil {
            fault = "event \(point.sequence) is acknowledged and not durable"
        }
        if stream.stored?.record.provedSession ?? 0 < session {
            fault = "an answer in session \(session), which is not durable"
        }
        let ack = Ack(
            stream: stream.tag, through: point, hub: SmallHub.tag, runs: [],
            receivedAt: SmallHub.now.wall, committedAt: SmallHub.now.wall)
        letters.append(Letter(to: stream.name, Message.ack(ack).framed(session: session)))
    }

    mutating func answer(_ question: LookUp, _ index: Int, _ letters: inout [Letter]) {
        let stored = streams[index].stored
        let start = streams[index].session.genesis.hash(SmallHub.hasher)
        let answer = question.answer { place -> DictionaryState? in
            stored?.segments[place.hash]?.segment.header.dictionary
        } end: { point -> DictionaryState? in
            point.hash == start ? .empty : stored?.segments[point.hash]?.segment.header.dictionary
        }
        tell(streams[index].tag, &letters) { $0.found(answer, now: SmallHub.now) }
    }
}
