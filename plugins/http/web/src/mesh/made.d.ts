// SPDX-License-Identifier: MIT
//
// Set by make/land.mjs when the pages are built.
declare const LAND_FOLDER: string;
declare const LAND_CELLS: string;
