// The one door to the libraries that draw: Preact, and htm in place of a compiler.

import { createElement, Fragment, render } from "./vendor/preact.js";
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "./vendor/hooks.js";
import htm from "./vendor/htm.js";

export const html = htm.bind(createElement);
export { Fragment, render, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState };
