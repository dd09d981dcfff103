/** A short chime, made on the spot: no file, no request. */

const NOTES_HZ = [659, 880];
const NOTE_S = 0.14;
const LOUDNESS = 0.08;

/** @type {AudioContext | null} */
let context = null;

/** Play it; silently nothing where the browser wants a click first. */
export function chime() {
  context ??= new AudioContext();
  if (context.state === "suspended") void context.resume();
  NOTES_HZ.forEach((hertz, index) => note(/** @type {AudioContext} */ (context), hertz, index * NOTE_S * 0.7));
}

/**
 * @param {AudioContext} audio
 * @param {number} hertz
 * @param {number} delay seconds
 */
function note(audio, hertz, delay) {
  const start = audio.currentTime + delay;
  const tone = new OscillatorNode(audio, { frequency: hertz, type: "sine" });
  const volume = new GainNode(audio, { gain: 0 });
  volume.gain.setTargetAtTime(LOUDNESS, start, 0.01);
  volume.gain.setTargetAtTime(0, start + NOTE_S / 2, 0.05);
  tone.connect(volume).connect(audio.destination);
  tone.start(start);
  tone.stop(start + NOTE_S * 3);
}
